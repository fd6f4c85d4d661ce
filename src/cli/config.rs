//! Reading a node's configuration for a subcommand.

use std::path::{Path, PathBuf};

use ottla_base::config::{BrokerConfig, Source, StartError};

pub(super) fn load(file: Option<&Path>, overrides: &[(String, String)]) -> Result<BrokerConfig, StartError> {
    let environment = |name: &str| std::env::var(name).ok();
    BrokerConfig::load(&Source {
        file,
        overrides,
        environment: &environment,
    })
}

/// All directories of a node, sorted, each once.
pub(super) fn directories(config: &BrokerConfig) -> Vec<PathBuf> {
    let mut all = config.log_dirs.clone();
    all.push(config.metadata_log_dir.clone());
    all.sort();
    all.dedup();
    all
}

/// `key=value` of an `--override`.
pub(super) fn parse_override(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("an override has the form key=value".to_owned()),
    }
}
