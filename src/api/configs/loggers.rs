//! The log levels of this process, as Kafka's broker loggers (KIP-412): `root`, and one logger per room of the house.
//!
//! A logger has the name of its module with dots (`ottla.net`): Kafka's tools allow no colons in a key.
//!
//! Levels belong to the process, not to one node in it, for so does the writing of log lines; `cli` installs the way to
//! change them. Changes last until the process ends. Where nothing is installed, levels are kept but change nothing.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use parking_lot::Mutex;

/// The logger that all others fall back to.
pub const ROOT: &str = "root";

/// The levels Kafka knows.
pub const LEVELS: &[&str] = &["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

/// What can have a level of its own: the modules that write log lines.
const TARGETS: &[&str] = &[
    "kafka_protocol",
    "ottla",
    "ottla.api",
    "ottla.broker",
    "ottla.cli",
    "ottla.net",
    "ottla.replica",
    "ottla.runtime",
    "ottla.wire",
    "ottla_coordinator",
    "ottla_metadata",
    "ottla_storage",
    "tokio",
];

type Reload = Box<dyn Fn(&str) -> bool + Send + Sync>;

struct Loggers {
    levels: Mutex<Levels>,
    reload: Reload,
}

static LOGGERS: OnceLock<Loggers> = OnceLock::new();

/// Tells how levels are changed: `reload` takes filter directives. Only the first call counts.
pub fn install(directives: &str, reload: impl Fn(&str) -> bool + Send + Sync + 'static) {
    let levels = Mutex::new(Levels::from_directives(directives));
    let _ = LOGGERS.set(Loggers {
        levels,
        reload: Box::new(reload),
    });
}

fn loggers() -> &'static Loggers {
    LOGGERS.get_or_init(|| Loggers {
        levels: Mutex::default(),
        reload: Box::new(|_| true),
    })
}

/// Every logger with the level in force for it.
pub fn all() -> BTreeMap<String, &'static str> {
    loggers().levels.lock().all()
}

pub fn exists(name: &str) -> bool {
    name == ROOT || TARGETS.contains(&name) || loggers().levels.lock().own.contains_key(name)
}

/// Sets a level, or with `None` takes it away; false when that could not be done.
pub fn set(name: &str, level: Option<&'static str>) -> bool {
    let loggers = loggers();
    let mut levels = loggers.levels.lock();
    levels.set(name, level);
    (loggers.reload)(&levels.directives())
}

/// Levels that were set, by logger.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Levels {
    root: &'static str,
    own: BTreeMap<String, &'static str>,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            root: "INFO",
            own: BTreeMap::new(),
        }
    }
}

impl Levels {
    /// From `info,ottla::net=debug`. Directives that name spans or fields are left to the filter and forgotten here.
    fn from_directives(text: &str) -> Self {
        let mut levels = Self {
            root: "ERROR",
            own: BTreeMap::new(),
        };
        for directive in text.split(',').map(str::trim) {
            match directive.split_once('=') {
                Some((target, level)) => {
                    if let Some(level) = level_named(level) {
                        levels.own.insert(target.replace("::", "."), level);
                    }
                }
                None => levels.root = level_named(directive).unwrap_or(levels.root),
            }
        }
        levels
    }

    fn set(&mut self, name: &str, level: Option<&'static str>) {
        match (name, level) {
            (ROOT, Some(level)) => self.root = level,
            (ROOT, None) => {}
            (name, Some(level)) => {
                self.own.insert(name.to_owned(), level);
            }
            (name, None) => {
                self.own.remove(name);
            }
        }
    }

    fn all(&self) -> BTreeMap<String, &'static str> {
        let names = TARGETS.iter().copied().chain(self.own.keys().map(String::as_str));
        let mut all: BTreeMap<_, _> = names.map(|name| (name.to_owned(), self.in_force(name))).collect();
        all.insert(ROOT.to_owned(), self.root);
        all
    }

    /// The level of the nearest module above that has one.
    fn in_force(&self, name: &str) -> &'static str {
        let mut at = Some(name);
        while let Some(name) = at {
            if let Some(level) = self.own.get(name) {
                return level;
            }
            at = name.rsplit_once('.').map(|(parent, _)| parent);
        }
        self.root
    }

    fn directives(&self) -> String {
        let own = self
            .own
            .iter()
            .map(|(name, level)| format!("{}={}", name.replace('.', "::"), filter_level(level)));
        let all: Vec<String> = std::iter::once(filter_level(self.root).to_owned())
            .chain(own)
            .collect();
        all.join(",")
    }
}

fn level_named(text: &str) -> Option<&'static str> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Some("FATAL");
    }
    LEVELS
        .iter()
        .copied()
        .find(|level| level.eq_ignore_ascii_case(text))
}

/// Ottla logs nothing above ERROR, so at FATAL nothing is left.
fn filter_level(level: &str) -> &str {
    if level == "FATAL" { "off" } else { level }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logger_without_a_level_has_that_of_the_module_above() {
        let mut levels = Levels::from_directives("warn,ottla=info,ottla::net=debug");
        let all = levels.all();
        assert_eq!(
            (
                all["root"],
                all["ottla"],
                all["ottla.net"],
                all["ottla.api"],
                all["tokio"]
            ),
            ("WARN", "INFO", "DEBUG", "INFO", "WARN")
        );
        assert!(levels.directives().contains("ottla::net=DEBUG"));
        levels.set("ottla.net", None);
        levels.set(ROOT, Some("FATAL"));
        assert_eq!(
            (levels.all()["ottla.net"], levels.all()["tokio"]),
            ("INFO", "FATAL")
        );
        assert_eq!(levels.directives(), "off,ottla=INFO");
    }
}
