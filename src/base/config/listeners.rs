//! Listeners: where the node listens, what it tells clients, which listeners belong to the controller or to the brokers
//! among themselves; parsed and checked as Kafka does.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::shapes::is_host;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityProtocol {
    Plaintext,
    Ssl,
    SaslPlaintext,
    SaslSsl,
}

impl SecurityProtocol {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }

    /// The number that stands in registration records and on the wire.
    pub const fn id(self) -> i16 {
        match self {
            Self::Plaintext => 0,
            Self::Ssl => 1,
            Self::SaslPlaintext => 2,
            Self::SaslSsl => 3,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Plaintext, Self::Ssl, Self::SaslPlaintext, Self::SaslSsl];
        all.into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }
}

/// A host and a port as text in a configuration, not yet looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Empty for every interface, or in an advertised address for the machine's own name.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            host if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// One entry of `listeners`, joined with what the other keys say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// In capitals.
    pub name: String,
    pub protocol: SecurityProtocol,
    /// Where to listen: empty for every interface; a name stands for every address it has.
    pub host: String,
    pub port: u16,
    /// What `advertised.listeners` says; `None` means that clients are told the address on which they came.
    pub advertised: Option<Address>,
    /// Whether it belongs to the controller.
    pub is_controller: bool,
}

/// All listeners of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    pub all: Vec<Listener>,
    /// `controller.listener.names` in capitals; on a broker without controller they are not among `all`.
    pub controller_names: Vec<String>,
    /// Name of the listener that brokers use among themselves.
    pub inter_broker: String,
}

impl Listeners {
    /// Those for clients and other brokers.
    pub fn broker(&self) -> impl Iterator<Item = &Listener> {
        self.all.iter().filter(|listener| !listener.is_controller)
    }

    pub fn controller(&self) -> impl Iterator<Item = &Listener> {
        self.all.iter().filter(|listener| listener.is_controller)
    }

    pub fn by_name(&self, name: &str) -> Option<&Listener> {
        self.all.iter().find(|listener| listener.name == name)
    }
}

/// The keys that the listeners are made of, as given.
pub(super) struct ListenerSettings {
    pub listeners: Vec<String>,
    pub advertised: Option<Vec<String>>,
    pub controller_names: Vec<String>,
    /// The protocol map as text, and whether it was given or is the default.
    pub protocol_map: String,
    pub protocol_map_given: bool,
    pub inter_broker_name: Option<String>,
    pub inter_broker_protocol: String,
    pub inter_broker_protocol_given: bool,
    pub is_broker: bool,
    pub is_controller: bool,
}

/// A key and what is wrong with it.
pub(super) type Problem = (&'static str, String);

pub(super) fn parse(settings: &ListenerSettings) -> Result<Listeners, Problem> {
    let controller_names: Vec<String> = settings
        .controller_names
        .iter()
        .map(|name| name.to_uppercase())
        .collect();
    let protocols = protocol_map(settings, &controller_names)?;
    let bound = endpoints("listeners", &settings.listeners, &protocols)?;
    check_ports(&bound, &settings.listeners)?;
    let advertised = match &settings.advertised {
        Some(entries) => endpoints("advertised.listeners", entries, &protocols)?,
        None => Vec::new(),
    };
    check_advertised(&advertised, &bound, &controller_names, settings.is_broker)?;
    let all: Vec<Listener> = bound
        .into_iter()
        .map(|(name, protocol, bind)| Listener {
            advertised: advertised
                .iter()
                .find(|(other, ..)| *other == name)
                .map(|(_, _, address)| address.clone()),
            is_controller: controller_names.contains(&name),
            name,
            protocol,
            host: bind.host,
            port: bind.port,
        })
        .collect();
    let inter_broker = inter_broker_name(settings, &protocols)?;
    let listeners = Listeners {
        all,
        controller_names,
        inter_broker,
    };
    check_roles(settings, &listeners, &protocols)?;
    Ok(listeners)
}

type Endpoint = (String, SecurityProtocol, Address);
type Protocols = BTreeMap<String, SecurityProtocol>;

const MAP: &str = "listener.security.protocol.map";

fn protocol_map(settings: &ListenerSettings, controller_names: &[String]) -> Result<Protocols, Problem> {
    let mut protocols = Protocols::new();
    for entry in settings
        .protocol_map
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let Some((name, protocol)) = entry.rsplit_once(':') else {
            return Err((MAP, format!("'{entry}' is not of the form NAME:PROTOCOL")));
        };
        let Some(known) = SecurityProtocol::from_name(protocol.trim()) else {
            return Err((
                MAP,
                format!("Invalid security protocol `{}` defined in {MAP}", protocol.trim()),
            ));
        };
        protocols.insert(name.trim().to_uppercase(), known);
    }
    let is_secure = |name: &str| {
        SecurityProtocol::from_name(name).is_some_and(|protocol| protocol != SecurityProtocol::Plaintext)
    };
    let names = settings
        .listeners
        .iter()
        .map(|entry| entry.split(':').next().unwrap_or_default().to_uppercase());
    // Without a map of the user's own, a controller listener with a name of its own is plain text, unless anything
    // else is not: then the user has to say what it is.
    if !settings.protocol_map_given
        && !names
            .chain(controller_names.iter().cloned())
            .any(|name| is_secure(&name))
    {
        for name in controller_names {
            protocols
                .entry(name.clone())
                .or_insert(SecurityProtocol::Plaintext);
        }
    }
    Ok(protocols)
}

fn endpoints(key: &'static str, entries: &[String], protocols: &Protocols) -> Result<Vec<Endpoint>, Problem> {
    let mut found: Vec<Endpoint> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some((name, bind)) = split_endpoint(entry) else {
            let why = format!("Unable to parse {entry} to a broker endpoint (allowed: NAME://host:port)");
            return Err((key, why));
        };
        let Some(protocol) = protocols.get(&name) else {
            return Err((
                key,
                format!("No security protocol defined for listener {name} in {MAP}"),
            ));
        };
        if found.iter().any(|(other, ..)| *other == name) {
            return Err((
                key,
                format!(
                    "Each listener must have a different name, listeners: {}",
                    entries.join(",")
                ),
            ));
        }
        found.push((name, *protocol, bind));
    }
    Ok(found)
}

fn split_endpoint(entry: &str) -> Option<(String, Address)> {
    let (name, address) = entry.rsplit_once("://")?;
    let (host, port) = address.rsplit_once(':')?;
    let host = host.strip_prefix('[').unwrap_or(host);
    let host = host.strip_suffix(']').unwrap_or(host);
    if !is_host(host) {
        return None;
    }
    Some((
        name.to_uppercase(),
        Address {
            host: host.to_owned(),
            port: port.parse().ok()?,
        },
    ))
}

/// Two listeners may share a port only when one has an IPv4 address and the other an IPv6 address.
fn check_ports(bound: &[Endpoint], entries: &[String]) -> Result<(), Problem> {
    for (i, (_, _, one)) in bound.iter().enumerate() {
        for (_, _, other) in bound
            .iter()
            .skip(i + 1)
            .filter(|(_, _, other)| other.port == one.port && one.port != 0)
        {
            let family = |address: &Address| address.host.parse::<IpAddr>().ok();
            let differ = match (family(one), family(other)) {
                (Some(one), Some(other)) => one.is_ipv4() != other.is_ipv4(),
                _ => false,
            };
            if !differ {
                let why = format!(
                    "Each listener must have a different port unless exactly one listener has an IPv4 address and the \
                     other IPv6 address, listeners: {}, port: {}",
                    entries.join(","),
                    one.port
                );
                return Err(("listeners", why));
            }
        }
    }
    Ok(())
}

fn check_advertised(
    advertised: &[Endpoint],
    bound: &[Endpoint],
    controller_names: &[String],
    is_broker: bool,
) -> Result<(), Problem> {
    const KEY: &str = "advertised.listeners";
    for (name, _, address) in advertised {
        if address.host == "0.0.0.0" {
            let why =
                format!("{KEY} cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.");
            return Err((KEY, why));
        }
        let is_bound = bound.iter().any(|(other, ..)| other == name);
        if is_broker && !is_bound && !controller_names.contains(name) {
            let names: Vec<&str> = bound.iter().map(|(name, ..)| name.as_str()).collect();
            let why = format!(
                "{KEY} listener names must be equal to or a subset of the ones defined in listeners. Found {name}. The \
                 valid options based on the current configuration are {}",
                names.join(",")
            );
            return Err((KEY, why));
        }
    }
    Ok(())
}

fn inter_broker_name(settings: &ListenerSettings, protocols: &Protocols) -> Result<String, Problem> {
    const KEY: &str = "inter.broker.listener.name";
    match &settings.inter_broker_name {
        Some(_) if settings.inter_broker_protocol_given => Err((
            KEY,
            format!("Only one of {KEY} and security.inter.broker.protocol should be set."),
        )),
        Some(name) if protocols.contains_key(&name.to_uppercase()) => Ok(name.to_uppercase()),
        Some(name) => Err((
            KEY,
            format!("Listener with name {name} defined in {KEY} not found in {MAP}."),
        )),
        None => Ok(settings.inter_broker_protocol.to_uppercase()),
    }
}

fn check_roles(
    settings: &ListenerSettings,
    listeners: &Listeners,
    protocols: &Protocols,
) -> Result<(), Problem> {
    const CONTROLLER: &str = "controller.listener.names";
    if settings.is_controller {
        if listeners.controller_names.is_empty() {
            return Err((
                CONTROLLER,
                format!("{CONTROLLER} must name at least one of listeners on a controller"),
            ));
        }
        if let Some(name) = listeners
            .controller_names
            .iter()
            .find(|name| listeners.by_name(name).is_none())
        {
            let why =
                format!("{CONTROLLER} must only contain values appearing in listeners; {name} does not");
            return Err((CONTROLLER, why));
        }
        if !settings.is_broker && listeners.broker().next().is_some() {
            let why = format!(
                "listeners must only contain listeners of {CONTROLLER} when process.roles=controller"
            );
            return Err(("listeners", why));
        }
    } else {
        if listeners.controller().next().is_some() {
            let why = format!("{CONTROLLER} must not contain a value of listeners when process.roles=broker");
            return Err((CONTROLLER, why));
        }
        if let Some(name) = listeners
            .controller_names
            .iter()
            .find(|name| !protocols.contains_key(*name))
        {
            return Err((
                CONTROLLER,
                format!("Controller listener with name {name} not found in {MAP}"),
            ));
        }
    }
    if settings.is_broker {
        check_broker_listeners(settings, listeners)?;
    }
    Ok(())
}

fn check_broker_listeners(settings: &ListenerSettings, listeners: &Listeners) -> Result<(), Problem> {
    let is_offered = |listener: &&Listener| settings.advertised.is_none() || listener.advertised.is_some();
    let offered: Vec<&str> = listeners
        .broker()
        .filter(is_offered)
        .map(|listener| listener.name.as_str())
        .collect();
    if offered.is_empty() {
        let why = "There must be at least one broker advertised listener. Perhaps all listeners appear in \
                   controller.listener.names?";
        return Err(("listeners", why.to_owned()));
    }
    if !offered.contains(&listeners.inter_broker.as_str()) {
        let why = format!(
            "inter.broker.listener.name must be a listener name defined in advertised.listeners; it is {}. The valid \
             options based on currently configured listeners are {}",
            listeners.inter_broker,
            offered.join(",")
        );
        return Err(("inter.broker.listener.name", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::value::split_list;
    use super::*;

    const DEFAULT_MAP: &str = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT";

    fn settings(listeners: &str, advertised: Option<&str>) -> ListenerSettings {
        ListenerSettings {
            listeners: split_list(listeners),
            advertised: advertised.map(split_list),
            controller_names: vec!["CONTROLLER".to_owned()],
            protocol_map: DEFAULT_MAP.to_owned(),
            protocol_map_given: false,
            inter_broker_name: None,
            inter_broker_protocol: "PLAINTEXT".to_owned(),
            inter_broker_protocol_given: false,
            is_broker: true,
            is_controller: true,
        }
    }

    #[test]
    fn a_combined_node() {
        let found = parse(&settings(
            "PLAINTEXT://:9092,CONTROLLER://[::1]:9093",
            Some("plaintext://broker.example:19092"),
        ))
        .expect("good listeners");
        let client = found.by_name("PLAINTEXT").expect("the client listener");
        assert_eq!((client.host.as_str(), client.port), ("", 9092));
        assert_eq!(
            client.advertised.as_ref().map(ToString::to_string).as_deref(),
            Some("broker.example:19092")
        );
        let controller = found.by_name("CONTROLLER").expect("the controller listener");
        assert!(controller.is_controller && controller.protocol == SecurityProtocol::Plaintext);
        assert_eq!((controller.host.as_str(), controller.port), ("::1", 9093));
        assert_eq!(found.inter_broker, "PLAINTEXT");
        assert_eq!(found.broker().count(), 1);
    }

    #[test]
    fn what_kafka_refuses_is_refused() {
        let refuse = |listeners: &str, advertised: Option<&str>| {
            parse(&settings(listeners, advertised)).expect_err("refusal")
        };
        let good = "PLAINTEXT://:9092,CONTROLLER://:9093";
        assert_eq!(refuse("PLAINTEXT:9092,CONTROLLER://:9093", None).0, "listeners");
        assert_eq!(
            refuse("PLAINTEXT://:9092,CONTROLLER://:9092", None).0,
            "listeners"
        );
        assert_eq!(refuse("PLAINTEXT://:9092,plaintext://:9093", None).0, "listeners");
        assert_eq!(
            refuse("PLAINTEXT://:99999,CONTROLLER://:9093", None).0,
            "listeners"
        );
        assert_eq!(refuse("EXTERNAL://:9092,CONTROLLER://:9093", None).0, "listeners");
        assert_eq!(refuse("CONTROLLER://:9093", None).0, "listeners");
        assert_eq!(refuse("PLAINTEXT://:9092", None).0, "controller.listener.names");
        assert_eq!(
            refuse(good, Some("PLAINTEXT://0.0.0.0:9092")).0,
            "advertised.listeners"
        );
        assert_eq!(refuse(good, Some("SSL://h:9092")).0, "advertised.listeners");
        let mut both = settings(good, None);
        both.inter_broker_name = Some("PLAINTEXT".to_owned());
        both.inter_broker_protocol_given = true;
        assert_eq!(parse(&both).expect_err("refusal").0, "inter.broker.listener.name");
        let mut secure = settings("SSL://:9092,CONTROLLER://:9093", None);
        secure.inter_broker_protocol = "SSL".to_owned();
        assert_eq!(
            parse(&secure)
                .expect_err("the controller needs a protocol of its own")
                .0,
            "listeners"
        );
    }

    #[test]
    fn both_ip_families_may_share_a_port() {
        let found = parse(&settings(
            "PLAINTEXT://127.0.0.1:9092,SSL://[::1]:9092,CONTROLLER://:9093",
            None,
        ));
        // The controller's name is not in the default map once something is not plain text.
        assert_eq!(found.expect_err("refusal").0, "listeners");
        let mut mapped = settings("A://127.0.0.1:9092,B://[::1]:9092,CONTROLLER://:9093", None);
        mapped.protocol_map = "A:PLAINTEXT,B:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
        mapped.protocol_map_given = true;
        mapped.inter_broker_name = Some("a".to_owned());
        assert_eq!(parse(&mapped).expect("good listeners").all.len(), 3);
    }
}
