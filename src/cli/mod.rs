//! The command line: `ottla` alone serves, and each other subcommand has a file of its own.
//!
//! What `format`, `info` and `random-uuid` take and print is what `kafka-storage.sh` takes and prints, so that scripts go
//! on working with the name changed.

mod banner;
mod config;
mod dump_log;
mod format;
mod info;
mod limits;
mod logging;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ottla_base::Uuid;
use ottla_base::ids::uuid_to_string;

/// Reads the arguments, does what they say, and returns the exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Format(arguments) => format::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::RandomUuid => {
            println!("{}", uuid_to_string(random_id()));
            ExitCode::SUCCESS
        }
        Command::DumpLog(arguments) => dump_log::run(&arguments),
    }
}

/// A Kafka-compatible broker in one binary. Without a subcommand it serves.
#[derive(Parser)]
#[command(name = "ottla", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node (the default).
    Serve(serve::Serve),
    /// Format the log directories of a node, as kafka-storage.sh does.
    Format(format::Format),
    /// Say what the log directories of a node hold.
    Info(info::Info),
    /// Print a new id for a cluster or a directory.
    RandomUuid,
    /// Print the contents of log segments, indexes and snapshots, as kafka-dump-log.sh does.
    DumpLog(dump_log::DumpLog),
}

/// A random id as Kafka makes them: none of the reserved ones, and none that a shell would take for an option.
fn random_id() -> Uuid {
    const RESERVED: u128 = 100;
    loop {
        let id = Uuid::new_v4();
        if id.as_u128() >= RESERVED && !uuid_to_string(id).starts_with('-') {
            return id;
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_needs_no_subcommand() {
        let cli = Cli::try_parse_from(["ottla", "server.properties", "--override", "a=b"]).expect("parsed");
        assert!(cli.command.is_none());
        assert_eq!(cli.serve.overrides(), [("a".to_owned(), "b".to_owned())]);
        let cli = Cli::try_parse_from(["ottla"]).expect("parsed");
        assert!(cli.serve.file().is_none());
    }

    #[test]
    fn formatting_takes_what_kafka_storage_takes() {
        let words = "ottla format -t abc -c s.properties -s -g -r 4.3 -f group.version=1 --feature a=2 -S x";
        assert!(Cli::try_parse_from(words.split(' ')).is_ok());
        let both = "ottla format -t abc -c s.properties -s -N";
        assert!(
            Cli::try_parse_from(both.split(' ')).is_err(),
            "one kind of quorum at a time"
        );
    }
}
