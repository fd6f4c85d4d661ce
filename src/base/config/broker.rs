//! The configuration a node starts with: a `server.properties` or Ottla's own defaults, command line overrides on top,
//! references resolved, every value checked, and what the rooms need at the start picked out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::check;
use super::def::{ConfigDef, Default, Support};
use super::defs::{self, Scope};
use super::listeners::{self, ListenerSettings, Listeners};
use super::properties;
use super::providers::{Environment, Providers};
use super::settings::{Settings, value_or_default};
use super::shapes::{Voter, parse_voter, split_host_port};
use super::synonyms::listener_base;
use super::value::{Value, parse_value};

/// What a start reads.
pub struct Source<'a> {
    /// A `server.properties`; without one Ottla's own defaults count, see [`NO_FILE`].
    pub file: Option<&'a Path>,
    /// `--override key=value`, later ones over earlier ones.
    pub overrides: &'a [(String, String)],
    pub environment: Environment<'a>,
}

/// What a node is when nobody configures it: broker and controller in one process for the clients of this machine.
///
/// The replication factors are 1 because there is one node, and the first rebalance of a group does not wait, because
/// on a developer's machine there is nobody to wait for (Apache Kafka's own sample file sets the same).
pub const NO_FILE: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    (
        "listeners",
        "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
    ),
    ("controller.listener.names", "CONTROLLER"),
    ("controller.quorum.bootstrap.servers", "localhost:9093"),
    ("log.dirs", "./ottla-data"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    ("group.initial.rebalance.delay.ms", "0"),
];

/// The checked configuration of a node. Values are read through [`Settings`].
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    given: BTreeMap<String, Given>,
    pub node_id: i32,
    pub is_broker: bool,
    pub is_controller: bool,
    pub rack: Option<String>,
    pub listeners: Listeners,
    pub log_dirs: Vec<PathBuf>,
    pub metadata_log_dir: PathBuf,
    /// `controller.quorum.voters`; empty when the voters are kept in the metadata log.
    pub voters: Vec<Voter>,
    /// `controller.quorum.bootstrap.servers` as host and port.
    pub bootstrap_controllers: Vec<(String, u16)>,
    notices: Vec<String>,
}

#[derive(Clone, Debug)]
struct Given {
    value: String,
    place: Place,
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File { path: Arc<Path>, line: usize },
    Override,
    BuiltIn,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Override => f.write_str("--override"),
            Self::BuiltIn => f.write_str("built-in"),
        }
    }
}

/// Everything that keeps a node from starting, one sentence each with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct StartError {
    pub problems: Vec<String>,
}

impl BrokerConfig {
    /// Reads and checks everything; the error names all problems at once.
    pub fn load(source: &Source<'_>) -> Result<Self, StartError> {
        let mut given = gather(source)?;
        resolve_references(&mut given, source.environment)?;
        copy_node_id(&mut given);
        let problems = check_values(&given);
        if !problems.is_empty() {
            return Err(StartError { problems });
        }
        let config = Self::assemble(given)?;
        let place = |(key, why): (&str, String)| config.sentence(key, &why);
        let problems: Vec<String> = check::rules(&config).into_iter().map(place).collect();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(StartError { problems })
        }
    }

    /// What the file says that nobody obeys, one line each, for the log.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The value as it was given, if it was.
    pub fn given(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(|given| given.value.as_str())
    }

    /// Everything that was given, the keys nobody knows included.
    pub fn all_given(&self) -> impl Iterator<Item = (&str, &str)> {
        self.given
            .iter()
            .map(|(key, given)| (key.as_str(), given.value.as_str()))
    }

    fn assemble(given: BTreeMap<String, Given>) -> Result<Self, StartError> {
        let values = Values(&given);
        let roles = values.list("process.roles");
        let is_broker = roles.iter().any(|role| role == "broker");
        let is_controller = roles.iter().any(|role| role == "controller");
        let listeners = listeners::parse(&listener_settings(&given, is_broker, is_controller)).map_err(
            |(key, why)| StartError {
                problems: vec![sentence(&given, key, &why)],
            },
        )?;
        let log_dirs = match values.list("log.dirs") {
            dirs if dirs.is_empty() => values.list("log.dir"),
            dirs => dirs,
        };
        let log_dirs: Vec<PathBuf> = log_dirs.into_iter().map(PathBuf::from).collect();
        let metadata_log_dir = values.string("metadata.log.dir").map(PathBuf::from);
        let bootstrap = values.list("controller.quorum.bootstrap.servers");
        let split = |entry: &String| split_host_port(entry).map(|(host, port)| (host.to_owned(), port));
        Ok(Self {
            node_id: values.i32("node.id"),
            is_broker,
            is_controller,
            rack: values.string("broker.rack"),
            listeners,
            metadata_log_dir: metadata_log_dir
                .or_else(|| log_dirs.first().cloned())
                .unwrap_or_default(),
            log_dirs,
            voters: values
                .list("controller.quorum.voters")
                .iter()
                .filter_map(|text| parse_voter(text))
                .collect(),
            bootstrap_controllers: bootstrap.iter().filter_map(split).collect(),
            notices: notices(&given),
            given,
        })
    }

    fn sentence(&self, key: &str, why: &str) -> String {
        sentence(&self.given, key, why)
    }
}

impl Settings for BrokerConfig {
    fn value(&self, key: &str) -> Option<Value> {
        Values(&self.given).value(key)
    }
}

struct Values<'a>(&'a BTreeMap<String, Given>);

impl Settings for Values<'_> {
    fn value(&self, key: &str) -> Option<Value> {
        let def = defs::find(Scope::Broker, key)?;
        value_or_default(def, self.0.get(key).map(|given| given.value.as_str()))
    }
}

fn gather(source: &Source<'_>) -> Result<BTreeMap<String, Given>, StartError> {
    let mut given = BTreeMap::new();
    match source.file {
        Some(path) => read_file(path, &mut given)?,
        None => {
            for (key, value) in NO_FILE {
                given.insert(
                    (*key).to_owned(),
                    Given {
                        value: (*value).to_owned(),
                        place: Place::BuiltIn,
                    },
                );
            }
        }
    }
    for (key, value) in source.overrides {
        given.insert(
            key.clone(),
            Given {
                value: value.clone(),
                place: Place::Override,
            },
        );
    }
    if source.file.is_none() {
        keep_a_controller_listener(&mut given);
    }
    Ok(given)
}

fn read_file(path: &Path, given: &mut BTreeMap<String, Given>) -> Result<(), StartError> {
    let fail = |why: String| StartError {
        problems: vec![format!("{}: {why}", path.display())],
    };
    let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let entries = properties::parse(&properties::latin1(&bytes)).map_err(|error| fail(error.to_string()))?;
    let path: Arc<Path> = Arc::from(path);
    for entry in entries {
        let place = Place::File {
            path: path.clone(),
            line: entry.line,
        };
        given.insert(
            entry.key,
            Given {
                value: entry.value,
                place,
            },
        );
    }
    Ok(())
}

/// `--override listeners=PLAINTEXT://:9092` alone is a natural thing to say without a file: the controller of the
/// same process then listens on a port that is free.
fn keep_a_controller_listener(given: &mut BTreeMap<String, Given>) {
    let names_one = |text: &str| {
        text.split(',')
            .any(|entry| entry.trim_start().starts_with("CONTROLLER://"))
    };
    let keeps_name = given
        .get("controller.listener.names")
        .is_some_and(|names| names.place == Place::BuiltIn);
    if let Some(listeners) = given
        .get_mut("listeners")
        .filter(|given| keeps_name && !names_one(&given.value))
    {
        listeners.value.push_str(",CONTROLLER://localhost:0");
    }
}

fn resolve_references(
    given: &mut BTreeMap<String, Given>,
    environment: Environment<'_>,
) -> Result<(), StartError> {
    let texts = given
        .iter()
        .map(|(key, given)| (key.clone(), given.value.clone()))
        .collect();
    let fail = |problem: String| StartError {
        problems: vec![problem],
    };
    let providers = Providers::from_settings(&texts, environment)
        .map_err(|(key, why)| fail(sentence(given, &key, &why)))?;
    for (key, text) in texts
        .iter()
        .filter(|(key, _)| !key.starts_with("config.providers"))
    {
        let value = providers
            .resolve(text)
            .map_err(|why| fail(sentence(given, key, &why)))?;
        if let Some(entry) = given.get_mut(key) {
            entry.value = value;
        }
    }
    Ok(())
}

/// `broker.id` is the old name of `node.id`: either stands for both.
fn copy_node_id(given: &mut BTreeMap<String, Given>) {
    for (from, to) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
        if let (Some(value), false) = (given.get(from).cloned(), given.contains_key(to)) {
            given.insert(to.to_owned(), value);
        }
    }
}

fn check_values(given: &BTreeMap<String, Given>) -> Vec<String> {
    let mut problems = Vec::new();
    for (key, entry) in given {
        let Some(def) = definition(key) else { continue };
        if let Err(error) = parse_value(def, &entry.value) {
            let allowed = [def.kind.name().to_owned(), def.valid.to_string()].join(" ");
            let why = format!("{error} (allowed: {})", allowed.trim());
            problems.push(sentence(given, key, &why));
        }
    }
    for def in defs::broker().filter(|def| def.default == Default::Required && !given.contains_key(def.name))
    {
        problems.push(format!(
            "Missing required configuration \"{}\" which has no default value. {}",
            def.name, def.doc
        ));
    }
    problems
}

/// The definition of a key or, for a listener's own key, of the key behind it.
fn definition(key: &str) -> Option<&'static ConfigDef> {
    let fixed = |name: &str| defs::find(Scope::Broker, name).filter(|def| !is_dynamic_only(def));
    fixed(key).or_else(|| fixed(listener_base(key)?))
}

fn is_dynamic_only(def: &ConfigDef) -> bool {
    defs::DYNAMIC_ONLY.iter().any(|dynamic| dynamic.name == def.name)
}

fn listener_settings(
    given: &BTreeMap<String, Given>,
    is_broker: bool,
    is_controller: bool,
) -> ListenerSettings {
    let values = Values(given);
    let text = |key: &str| values.string(key).unwrap_or_default();
    ListenerSettings {
        listeners: values.list("listeners"),
        advertised: given
            .contains_key("advertised.listeners")
            .then(|| values.list("advertised.listeners")),
        controller_names: values.list("controller.listener.names"),
        protocol_map: text("listener.security.protocol.map"),
        protocol_map_given: given.contains_key("listener.security.protocol.map"),
        inter_broker_name: values.string("inter.broker.listener.name"),
        inter_broker_protocol: text("security.inter.broker.protocol"),
        inter_broker_protocol_given: given.contains_key("security.inter.broker.protocol"),
        is_broker,
        is_controller,
    }
}

fn sentence(given: &BTreeMap<String, Given>, key: &str, why: &str) -> String {
    match given.get(key) {
        Some(Given { place, .. }) if *place != Place::BuiltIn => format!("{place}: {key}: {why}"),
        _ => format!("{key}: {why}"),
    }
}

/// One line for each value that differs from its default without having an effect, and one for all unknown keys.
fn notices(given: &BTreeMap<String, Given>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut unknown = Vec::new();
    for (key, entry) in given.iter().filter(|(_, entry)| entry.place != Place::BuiltIn) {
        match definition(key) {
            Some(def) if def.support == Support::Accepted && differs(def, &entry.value) => {
                let shown = if def.is_sensitive() {
                    "[hidden]"
                } else {
                    entry.value.trim()
                };
                lines.push(format!(
                    "{}: {key}={shown} is accepted but has no effect yet",
                    entry.place
                ));
            }
            Some(_) => {}
            None if is_read_elsewhere(key) => {}
            None => unknown.push(format!("{key} ({})", entry.place)),
        }
    }
    if !unknown.is_empty() {
        lines.push(format!(
            "ignored, because unknown to Apache Kafka 4.3 and to Ottla: {}",
            unknown.join(", ")
        ));
    }
    lines
}

fn differs(def: &ConfigDef, text: &str) -> bool {
    let default = def
        .default
        .value()
        .and_then(|default| parse_value(def, default).ok());
    parse_value(def, text).ok() != default
}

/// Keys that Kafka reads without defining them.
fn is_read_elsewhere(key: &str) -> bool {
    key.starts_with("config.providers.")
        || key.starts_with("rlmm.config.")
        || key.starts_with("rsm.config.")
        || matches!(key, "super.users" | "allow.everyone.if.no.acl.found")
}

#[cfg(test)]
#[path = "broker_tests.rs"]
mod tests;
