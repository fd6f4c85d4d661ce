//! Broker keys about TLS, SASL, tokens and authorization.
//!
//! Names, types, defaults and ranges are checked against Apache Kafka 4.3.1 by the test in [`super`].

use crate::config::def::config_defs;

config_defs! { SECURITY:
    "authorizer.class.name" String = "", NonNull, Low ReadOnly Accepted,
        "Authorizer of the cluster: empty for none, or Kafka's StandardAuthorizer; Ottla refuses any \
         other class.";
    "connections.max.reauth.ms" Long = "0", Any, Medium ReadOnly Accepted,
        "Longest life of a SASL session before the client must authenticate again; 0 means for ever.";
    "delegation.token.expiry.check.interval.ms" Long = "3600000", AtLeast(1), Low ReadOnly Accepted,
        "How often delegation tokens are checked for expiry.";
    "delegation.token.expiry.time.ms" Long = "86400000", AtLeast(1), Medium ReadOnly Accepted,
        "How long a delegation token is valid before it must be renewed.";
    "delegation.token.max.lifetime.ms" Long = "604800000", AtLeast(1), Medium ReadOnly Accepted,
        "Longest life of a delegation token, renewals included.";
    "delegation.token.secret.key" Password = null, Any, Medium ReadOnly Accepted,
        "Secret with which delegation tokens are signed, the same on every node; without it tokens are \
         switched off.";
    "principal.builder.class" Class = "org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder",
        Any, Medium PerBroker Accepted,
        "Java class that makes a principal of a connection; Ottla has Kafka's default and refuses any \
         other class.";
    "sasl.client.callback.handler.class" Class = null, Any, Medium ReadOnly Accepted,
        "Java class for client-side SASL callbacks; Ottla runs no Java plugins.";
    "sasl.enabled.mechanisms" List = "GSSAPI", Distinct, Medium PerBroker Accepted,
        "SASL mechanisms offered to clients; may be set for one listener by its prefix.";
    "sasl.jaas.config" Password = null, Any, Medium PerBroker Accepted,
        "Login module and its options for a SASL mechanism, in JAAS syntax.";
    "sasl.kerberos.kinit.cmd" String = "/usr/bin/kinit", Any, Medium PerBroker Accepted,
        "Path of the Kerberos `kinit` command.";
    "sasl.kerberos.min.time.before.relogin" Long = "60000", Any, Medium PerBroker Accepted,
        "Milliseconds between two tries to renew a Kerberos login.";
    "sasl.kerberos.principal.to.local.rules" List = "DEFAULT", Distinct, Medium PerBroker Accepted,
        "Rules that turn Kerberos principals into short names; the first that fits counts.";
    "sasl.kerberos.service.name" String = null, Any, Medium PerBroker Accepted,
        "Kerberos service name of the brokers.";
    "sasl.kerberos.ticket.renew.jitter" Double = "0.05", Any, Medium PerBroker Accepted,
        "Random share added to the time of a Kerberos ticket renewal.";
    "sasl.kerberos.ticket.renew.window.factor" Double = "0.8", Any, Medium PerBroker Accepted,
        "Share of a Kerberos ticket's life after which it is renewed.";
    "sasl.login.callback.handler.class" Class = null, Any, Medium ReadOnly Accepted,
        "Java class for SASL login callbacks; Ottla runs no Java plugins.";
    "sasl.login.class" Class = null, Any, Medium ReadOnly Accepted,
        "Java class that logs in for SASL; Ottla runs no Java plugins.";
    "sasl.login.connect.timeout.ms" Int = null, Any, Low ReadOnly Accepted,
        "Connect timeout towards an external OAuth provider.";
    "sasl.login.read.timeout.ms" Int = null, Any, Low ReadOnly Accepted,
        "Read timeout towards an external OAuth provider.";
    "sasl.login.refresh.buffer.seconds" Short = "300", Any, Medium PerBroker Accepted,
        "Seconds before the end of an OAuth token at which it is refreshed at the latest.";
    "sasl.login.refresh.min.period.seconds" Short = "60", Any, Medium PerBroker Accepted,
        "Shortest time before an OAuth token is refreshed.";
    "sasl.login.refresh.window.factor" Double = "0.8", Any, Medium PerBroker Accepted,
        "Share of an OAuth token's life after which it is refreshed.";
    "sasl.login.refresh.window.jitter" Double = "0.05", Any, Medium PerBroker Accepted,
        "Random share added to the time of an OAuth token refresh.";
    "sasl.login.retry.backoff.max.ms" Long = "10000", Any, Low ReadOnly Accepted,
        "Longest pause between tries to reach an external OAuth provider.";
    "sasl.login.retry.backoff.ms" Long = "100", Any, Low ReadOnly Accepted,
        "First pause between tries to reach an external OAuth provider.";
    "sasl.mechanism.inter.broker.protocol" String = "GSSAPI", Any, Medium PerBroker Accepted,
        "SASL mechanism between brokers.";
    "sasl.oauthbearer.assertion.algorithm" String = "RS256",
        OneOfIgnoringCase(&["ES256", "RS256"]), Medium ReadOnly Accepted,
        "Signature algorithm of a client assertion.";
    "sasl.oauthbearer.assertion.claim.aud" String = null, Any, Medium ReadOnly Accepted,
        "Audience claim of a client assertion.";
    "sasl.oauthbearer.assertion.claim.exp.seconds" Int = "300", Between(0, 86400), Low ReadOnly Accepted,
        "Seconds after which a client assertion expires.";
    "sasl.oauthbearer.assertion.claim.iss" String = null, Any, Medium ReadOnly Accepted,
        "Issuer claim of a client assertion.";
    "sasl.oauthbearer.assertion.claim.jti.include" Boolean = "false", Any, Medium ReadOnly Accepted,
        "Whether a client assertion carries a unique id.";
    "sasl.oauthbearer.assertion.claim.nbf.seconds" Int = "60", Between(0, 3600), Low ReadOnly Accepted,
        "Seconds by which a client assertion is valid before it is made.";
    "sasl.oauthbearer.assertion.claim.sub" String = null, Any, Medium ReadOnly Accepted,
        "Subject claim of a client assertion.";
    "sasl.oauthbearer.assertion.file" String = null, Any, Medium ReadOnly Accepted,
        "File that holds a ready-made client assertion.";
    "sasl.oauthbearer.assertion.private.key.file" String = null, Any, Medium ReadOnly Accepted,
        "File of the private key that signs client assertions.";
    "sasl.oauthbearer.assertion.private.key.passphrase" Password = null, Any, Medium ReadOnly Accepted,
        "Passphrase of the private key that signs client assertions.";
    "sasl.oauthbearer.assertion.template.file" String = null, Any, Medium ReadOnly Accepted,
        "File with further claims for client assertions.";
    "sasl.oauthbearer.client.credentials.client.id" String = null, Any, Medium ReadOnly Accepted,
        "Client id for the OAuth client credentials grant.";
    "sasl.oauthbearer.client.credentials.client.secret" Password = null, Any, Medium ReadOnly Accepted,
        "Client secret for the OAuth client credentials grant.";
    "sasl.oauthbearer.clock.skew.seconds" Int = "30", Any, Low ReadOnly Accepted,
        "Clock difference tolerated when an OAuth token is checked.";
    "sasl.oauthbearer.expected.audience" List = "", Distinct, High ReadOnly Accepted,
        "Audiences of which an OAuth token must name one.";
    "sasl.oauthbearer.expected.issuer" String = null, Any, High ReadOnly Accepted,
        "Issuer that an OAuth token must name.";
    "sasl.oauthbearer.jwks.endpoint.refresh.ms" Long = "3600000", Any, Low ReadOnly Accepted,
        "How often the provider's signing keys are fetched again.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms" Long = "10000", Any, Low ReadOnly Accepted,
        "Longest pause between tries to fetch the provider's signing keys.";
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms" Long = "100", Any, Low ReadOnly Accepted,
        "First pause between tries to fetch the provider's signing keys.";
    "sasl.oauthbearer.jwks.endpoint.url" String = null, Any, Medium ReadOnly Accepted,
        "URL of the provider's signing keys.";
    "sasl.oauthbearer.jwt.retriever.class" Class = "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
        Any, Medium ReadOnly Accepted,
        "Java class that obtains OAuth tokens; Ottla runs no Java plugins.";
    "sasl.oauthbearer.jwt.validator.class" Class = "org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator",
        Any, Medium ReadOnly Accepted,
        "Java class that checks OAuth tokens; Ottla runs no Java plugins.";
    "sasl.oauthbearer.scope" String = null, Any, Medium ReadOnly Accepted,
        "Scope asked for in an OAuth grant.";
    "sasl.oauthbearer.scope.claim.name" String = "scope", Any, Low ReadOnly Accepted,
        "Name of the claim that holds an OAuth token's scope.";
    "sasl.oauthbearer.sub.claim.name" String = "sub", Any, Low ReadOnly Accepted,
        "Name of the claim that holds an OAuth token's subject.";
    "sasl.oauthbearer.token.endpoint.url" String = null, Any, Medium ReadOnly Accepted,
        "URL at which OAuth tokens are issued.";
    "sasl.server.callback.handler.class" Class = null, Any, Medium ReadOnly Accepted,
        "Java class for server-side SASL callbacks; Ottla runs no Java plugins.";
    "sasl.server.max.receive.size" Int = "524288", Any, Medium ReadOnly Accepted,
        "Largest SASL message accepted before a client is authenticated.";
    "security.providers" String = null, Any, Low ReadOnly Accepted,
        "Java classes of security providers; Ottla runs no Java plugins.";
    "ssl.allow.dn.changes" Boolean = "false", Any, Low ReadOnly Accepted,
        "Allow a reloaded certificate to have another distinguished name.";
    "ssl.allow.san.changes" Boolean = "false", Any, Low ReadOnly Accepted,
        "Allow a reloaded certificate to have other alternative names.";
    "ssl.cipher.suites" List = "", Distinct, Medium PerBroker Accepted,
        "TLS cipher suites that are offered; empty means the library's own list.";
    "ssl.client.auth" String = "none", OneOf(&["required", "requested", "none"]), Medium PerBroker Accepted,
        "Whether clients must, may or need not show a certificate: `required`, `requested`, `none`.";
    "ssl.enabled.protocols" List = "TLSv1.2,TLSv1.3", Distinct, Medium PerBroker Accepted,
        "TLS versions that are offered.";
    "ssl.endpoint.identification.algorithm" String = "https", Any, Low PerBroker Accepted,
        "How a server's name is checked against its certificate; empty switches the check off.";
    "ssl.engine.factory.class" Class = null, Any, Low PerBroker Accepted,
        "Java class that makes TLS engines; Ottla runs no Java plugins.";
    "ssl.key.password" Password = null, Any, Medium PerBroker Accepted,
        "Password of the private key.";
    "ssl.keymanager.algorithm" String = "SunX509", Any, Medium PerBroker Accepted,
        "Java key manager algorithm; has no meaning in Ottla.";
    "ssl.keystore.certificate.chain" Password = null, Any, Medium PerBroker Accepted,
        "The broker's certificate chain in PEM, as text.";
    "ssl.keystore.key" Password = null, Any, Medium PerBroker Accepted,
        "The broker's private key in PEM, as text.";
    "ssl.keystore.location" String = null, Any, Medium PerBroker Accepted,
        "File of the broker's key and certificate.";
    "ssl.keystore.password" Password = null, Any, Medium PerBroker Accepted,
        "Password of the key store file.";
    "ssl.keystore.type" String = "JKS", Any, Medium PerBroker Accepted,
        "Format of the key store file: JKS, PKCS12 or PEM.";
    "ssl.principal.mapping.rules" String = "DEFAULT", Any, Low ReadOnly Accepted,
        "Rules that turn the distinguished name of a client certificate into a principal name.";
    "ssl.protocol" String = "TLSv1.3", Any, Medium PerBroker Accepted,
        "TLS version that is preferred.";
    "ssl.provider" String = null, Any, Medium PerBroker Accepted,
        "Java security provider for TLS; has no meaning in Ottla.";
    "ssl.secure.random.implementation" String = null, Any, Low PerBroker Accepted,
        "Java random number generator for TLS; has no meaning in Ottla.";
    "ssl.trustmanager.algorithm" String = "PKIX", Any, Medium PerBroker Accepted,
        "Java trust manager algorithm; has no meaning in Ottla.";
    "ssl.truststore.certificates" Password = null, Any, Medium PerBroker Accepted,
        "Trusted certificates in PEM, as text.";
    "ssl.truststore.location" String = null, Any, Medium PerBroker Accepted,
        "File of the trusted certificates.";
    "ssl.truststore.password" Password = null, Any, Medium PerBroker Accepted,
        "Password of the trust store file.";
    "ssl.truststore.type" String = "JKS", Any, Medium PerBroker Accepted,
        "Format of the trust store file: JKS, PKCS12 or PEM.";
}
