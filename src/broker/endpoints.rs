//! Under which addresses the node enters itself into the metadata log.

use std::net::SocketAddr;

use ottla_base::config::{BrokerConfig, Listener};
use ottla_metadata::image::Endpoint;

/// An endpoint for each listener that `which` wants: what is advertised, else where it listens. A listener on every
/// interface is entered under the machine's name, as Kafka does it.
pub(super) fn registered(
    config: &BrokerConfig,
    bound: &[(String, SocketAddr)],
    which: impl Fn(&Listener) -> bool,
) -> Vec<Endpoint> {
    let listeners = config.listeners.all.iter().filter(|listener| which(listener));
    listeners.map(|listener| endpoint(listener, bound)).collect()
}

fn endpoint(listener: &Listener, bound: &[(String, SocketAddr)]) -> Endpoint {
    let at = bound.iter().find(|(name, _)| *name == listener.name);
    // A port of 0 is known only once it is bound.
    let listened = (
        listener.host.clone(),
        at.map_or(listener.port, |(_, address)| address.port()),
    );
    let (host, port) = match &listener.advertised {
        Some(advertised) => (advertised.host.clone(), advertised.port),
        None => listened,
    };
    let is_everywhere = matches!(host.as_str(), "" | "0.0.0.0" | "::");
    Endpoint {
        name: listener.name.clone(),
        host: if is_everywhere { machine_name() } else { host },
        port,
        security_protocol: listener.protocol.id(),
    }
}

fn machine_name() -> String {
    let name = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "localhost".to_owned())
}
