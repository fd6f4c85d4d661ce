//! `ottla format`: makes the log directories of a new node, with the options and the words of `kafka-storage.sh format`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use ottla_base::config::BrokerConfig;
use ottla_base::ids::{uuid_from_string, uuid_to_string};

use super::{config, random_id};
use crate::runtime::format::{FormatError, FormatOptions, Formatted, InitialVoter, format};

#[derive(clap::Args)]
pub(super) struct Format {
    /// The configuration file of the node; Ottla's own defaults without one.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// The id of the cluster, 22 characters as `ottla random-uuid` prints them.
    #[arg(long, short = 't')]
    cluster_id: String,
    /// Make this controller the only voter of a quorum that can grow later.
    #[arg(long, short, group = "quorum")]
    standalone: bool,
    /// Make these controllers the voters: `id@host:port:directory-id`, separated by commas, the same on every node.
    #[arg(long, short = 'I', group = "quorum")]
    initial_controllers: Option<String>,
    /// Name no voters: this node joins a quorum that is there already.
    #[arg(long, short = 'N', group = "quorum")]
    no_initial_controllers: bool,
    /// Leave directories alone that are formatted already, instead of failing.
    #[arg(long, short = 'g')]
    ignore_formatted: bool,
    /// The release whose features the cluster begins with.
    #[arg(long, short)]
    release_version: Option<String>,
    /// The level of a feature, as `name=level`; may be given several times.
    #[arg(long, short)]
    feature: Vec<String>,
    /// A SCRAM credential to begin with, as `SCRAM-SHA-256=[name=alice,password=secret]`; may be given several times.
    #[arg(long, short = 'S')]
    add_scram: Vec<String>,
}

pub(super) fn run(arguments: &Format) -> ExitCode {
    match try_run(arguments) {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Formats the directories of a node that is started for the first time without a file.
pub(super) fn format_new(config: &BrokerConfig) -> Result<Formatted, FormatError> {
    format(&FormatOptions {
        cluster_id: uuid_to_string(random_id()),
        node_id: config.node_id,
        log_dirs: config::directories(config),
        metadata_log_dir: config.metadata_log_dir.clone(),
        controller_listener: config
            .listeners
            .controller_names
            .first()
            .cloned()
            .unwrap_or_default(),
        is_dynamic_quorum: config.voters.is_empty(),
        initial_voters: if config.voters.is_empty() {
            standalone(config).into_iter().collect()
        } else {
            Vec::new()
        },
        release_version: None,
        features: Vec::new(),
        scram: Vec::new(),
        ignore_formatted: true,
    })
}

fn try_run(arguments: &Format) -> Result<Vec<String>, String> {
    let config = config::load(arguments.config.as_deref(), &[]).map_err(|error| error.to_string())?;
    let initial_voters = initial_voters(arguments, &config)?;
    let features = arguments.feature.iter().map(|text| parse_feature(text));
    let options = FormatOptions {
        cluster_id: arguments.cluster_id.clone(),
        node_id: config.node_id,
        log_dirs: config::directories(&config),
        metadata_log_dir: config.metadata_log_dir.clone(),
        controller_listener: config
            .listeners
            .controller_names
            .first()
            .cloned()
            .unwrap_or_default(),
        is_dynamic_quorum: config.voters.is_empty(),
        initial_voters,
        release_version: arguments.release_version.clone(),
        features: features.collect::<Result<_, _>>()?,
        scram: arguments.add_scram.clone(),
        ignore_formatted: arguments.ignore_formatted,
    };
    let formatted = format(&options).map_err(|error| error.to_string())?;
    Ok(report(&formatted))
}

fn report(formatted: &Formatted) -> Vec<String> {
    if formatted.directories.is_empty() {
        return vec!["All of the log directories are already formatted.".to_owned()];
    }
    let records: Vec<String> = formatted
        .features
        .iter()
        // Its level lives in a control record of the first snapshot.
        .filter(|(name, _)| name != "kraft.version")
        .map(|(name, level)| feature_record(name, *level))
        .collect();
    let version = formatted
        .features
        .iter()
        .find(|(name, _)| name == "metadata.version")
        .map_or(0, |(_, level)| *level);
    let mut lines = vec![format!(
        "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel={version}, source=format command)",
        records.join(", ")
    )];
    for (directory, kind) in &formatted.directories {
        lines.push(format!(
            "Formatting {} {} with metadata.version {}.",
            kind.description(),
            directory.display(),
            formatted.release_version
        ));
    }
    lines
}

fn feature_record(name: &str, level: i16) -> String {
    format!("ApiMessageAndVersion(FeatureLevelRecord(name='{name}', featureLevel={level}) at version 0)")
}

fn initial_voters(arguments: &Format, config: &BrokerConfig) -> Result<Vec<InitialVoter>, String> {
    let names_voters = arguments.standalone || arguments.initial_controllers.is_some();
    if !config.voters.is_empty() && names_voters {
        return Err("You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
                    --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and \
                    specify controller.quorum.bootstrap.servers instead."
            .to_owned());
    }
    if let Some(text) = &arguments.initial_controllers {
        return parse_voters(text);
    }
    if arguments.standalone {
        let voter = standalone(config).ok_or("You can only use --standalone on a controller.")?;
        return Ok(vec![voter]);
    }
    if config.is_controller && config.voters.is_empty() && !arguments.no_initial_controllers {
        return Err(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the \
                    following: --standalone, --initial-controllers, or --no-initial-controllers."
                .to_owned(),
        );
    }
    Ok(Vec::new())
}

/// This node as the only voter, under the address its controller listener is known by.
fn standalone(config: &BrokerConfig) -> Option<InitialVoter> {
    let listener = config.listeners.controller().next()?;
    let (host, port) = match &listener.advertised {
        Some(address) => (address.host.as_str(), address.port),
        None => (listener.host.as_str(), listener.port),
    };
    let host = if host.is_empty() || host == "0.0.0.0" {
        "localhost"
    } else {
        host
    };
    Some(InitialVoter {
        id: config.node_id,
        host: host.to_owned(),
        port,
        directory_id: random_id(),
    })
}

fn parse_voters(text: &str) -> Result<Vec<InitialVoter>, String> {
    let entries = text.trim().split(',').filter(|entry| !entry.is_empty());
    let voters = entries.map(parse_voter).collect::<Result<Vec<_>, _>>()?;
    if voters.is_empty() {
        return Err("No voters given.".to_owned());
    }
    let mut ids = BTreeSet::new();
    match voters.iter().find(|voter| !ids.insert(voter.id)) {
        Some(voter) => Err(format!("Node id {} was specified more than once.", voter.id)),
        None => Ok(voters),
    }
}

/// `id@host:port:directory-id`, an IPv6 host in brackets.
fn parse_voter(text: &str) -> Result<InitialVoter, String> {
    let (id, rest) = text
        .trim()
        .split_once('@')
        .ok_or("No @ found in dynamic voter string.")?;
    let id: i32 = id
        .parse()
        .map_err(|_| "Failed to parse node id in dynamic voter string.")?;
    if id < 0 {
        return Err(format!("Invalid negative node id {id} in dynamic voter string."));
    }
    let (host, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest
            .split_once("]:")
            .ok_or("Hostname began with left bracket, but no right bracket was found.")?,
        None => rest
            .split_once(':')
            .ok_or("No colon following hostname could be found.")?,
    };
    let (port, directory) = rest
        .split_once(':')
        .ok_or("No colon following port could be found.")?;
    let port = port
        .parse()
        .map_err(|_| "Failed to parse port in dynamic voter string.")?;
    let directory_id =
        uuid_from_string(directory).ok_or("Failed to parse directory ID in dynamic voter string.")?;
    Ok(InitialVoter {
        id,
        host: host.to_owned(),
        port,
        directory_id,
    })
}

fn parse_feature(text: &str) -> Result<(String, i16), String> {
    let fail = |why: &str| format!("Can't parse feature=level string {text}: {why}");
    let (name, level) = text
        .split_once('=')
        .ok_or_else(|| fail("equals sign not found."))?;
    let level = level.trim();
    let level = level
        .parse()
        .map_err(|_| fail(&format!("unable to parse {level} as a short.")))?;
    Ok((name.trim().to_owned(), level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters() {
        let voters = parse_voters("1@host:9093:JEXY6aqzQY-32P5TStzaFg,2@[::1]:9094:MvDxzVmcRsaTz33bUuRU6A");
        let voters = voters.expect("two voters");
        assert_eq!(
            voters
                .iter()
                .map(|v| (v.id, v.host.as_str(), v.port))
                .collect::<Vec<_>>(),
            [(1, "host", 9093), (2, "::1", 9094)]
        );
        for (text, why) in [
            ("", "No voters given."),
            ("1:a", "No @ found in dynamic voter string."),
            (
                "1@h:1:JEXY6aqzQY-32P5TStzaFg,1@h:1:JEXY6aqzQY-32P5TStzaFg",
                "Node id 1 was specified more than once.",
            ),
            (
                "1@h:x:JEXY6aqzQY-32P5TStzaFg",
                "Failed to parse port in dynamic voter string.",
            ),
            (
                "1@h:1:short",
                "Failed to parse directory ID in dynamic voter string.",
            ),
        ] {
            assert_eq!(parse_voters(text).expect_err("a refusal"), why);
        }
    }

    #[test]
    fn features() {
        assert_eq!(
            parse_feature("group.version = 1").expect("a feature"),
            ("group.version".to_owned(), 1)
        );
        assert_eq!(
            parse_feature("group.version").expect_err("a refusal"),
            "Can't parse feature=level string group.version: equals sign not found."
        );
    }

    #[test]
    fn a_node_without_a_file_is_its_own_voter() {
        let config = config::load(None, &[]).expect("the defaults");
        let voter = standalone(&config).expect("a controller");
        assert_eq!(
            (voter.id, voter.host.as_str(), voter.port),
            (1, "localhost", 9093)
        );
    }
}
