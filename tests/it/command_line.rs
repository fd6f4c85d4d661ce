//! The binary as an operator meets it: formatting, starting, stopping, refusals.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use kafka_protocol::messages::MetadataRequest;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::client::Client;

fn ottla(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command
        .current_dir(folder)
        .args(arguments)
        .env_remove("OTTLA_LOG")
        .env_remove("RUST_LOG");
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    ottla(folder, arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running node; killed if a test ends early.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    banner: Vec<String>,
}

impl Running {
    /// Starts a node and waits until it says that it is ready.
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = ottla(folder, arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("the binary runs");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut running = Self {
            child,
            stdout,
            banner: Vec::new(),
        };
        while !running
            .banner
            .last()
            .is_some_and(|line| line.trim_start().starts_with("stop"))
        {
            let mut line = String::new();
            if running.stdout.read_line(&mut line).expect("a line") == 0 {
                panic!("the node did not become ready: {}", running.complaint());
            }
            running.banner.push(line.trim_end().to_owned());
        }
        running
    }

    fn complaint(&mut self) -> String {
        let mut why = String::new();
        let stderr = self.child.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut why).expect("text");
        why
    }

    fn client(&self) -> Client {
        let line = self
            .banner
            .iter()
            .find(|line| line.trim_start().starts_with("clients"))
            .expect("the clients' line");
        let address = line
            .split_whitespace()
            .find_map(|word| word.parse().ok())
            .expect("an address");
        Client::connect(address)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        kill(pid, signal).expect("the process is there");
    }

    /// The exit code, and what was still printed.
    fn wait(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// No file, but ports of its own, so that tests do not meet.
const FREE_PORTS: [&str; 4] = [
    "--override",
    "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
    "--override",
    "node.id=1",
];

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_node_without_a_file_formats_itself_and_stops_cleanly() {
    let folder = folder();
    let marker = folder.path().join("ottla-data/.kafka_cleanshutdown");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let running = Running::start(folder.path(), &FREE_PORTS);
        assert!(
            running.banner[0].contains("is ready: node 1 of cluster"),
            "{:?}",
            running.banner
        );
        assert!(!marker.exists(), "the marker is taken away first");
        let metadata = running.client().call(12, &MetadataRequest::default());
        assert_eq!(metadata.brokers.len(), 1);
        running.signal(signal);
        assert_eq!(running.wait(), (Some(0), String::new()));
        assert!(marker.exists());
    }
    let info = run(folder.path(), &["info"]);
    assert!(info.status.success());
    assert!(
        text(&info.stdout).contains("Found metadata: {cluster.id="),
        "{}",
        text(&info.stdout)
    );
}

#[test]
fn a_directory_with_foreign_content_is_formatted_by_its_operator() {
    let folder = folder();
    let data = folder.path().join("data");
    let file = format!(
        "process.roles=broker,controller\nnode.id=5\ncontroller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n\
         controller.quorum.bootstrap.servers=127.0.0.1:9093\nlog.dirs={}\n",
        data.display()
    );
    std::fs::write(folder.path().join("server.properties"), file).expect("written");
    // Something lies there already: whatever it is, it is not for a start to decide.
    std::fs::create_dir_all(data.join("photographs")).expect("created");
    let refused = run(folder.path(), &["serve", "server.properties"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("No `meta.properties` found in"),
        "{}",
        text(&refused.stderr)
    );
    std::fs::remove_dir(data.join("photographs")).expect("removed");
    let id = text(&run(folder.path(), &["random-uuid"]).stdout)
        .trim()
        .to_owned();
    let format = ["format", "-c", "server.properties", "-t", &id, "--standalone"];
    let formatted = run(folder.path(), &format);
    assert!(text(&formatted.stdout).contains(&format!(
        "Formatting dynamic metadata voter directory {} with metadata.version 4.3-IV0.",
        data.display()
    )));
    let again = run(folder.path(), &format);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("is already formatted. Use --ignore-formatted"));
    let running = Running::start(
        folder.path(),
        &["serve", "server.properties", "--log-format", "json"],
    );
    assert!(
        running.banner[0].contains(&format!("node 5 of cluster {id}")),
        "{:?}",
        running.banner
    );
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().0, Some(0));
}

#[test]
fn an_invalid_file_stops_the_start_with_every_problem_and_its_line() {
    let folder = folder();
    std::fs::write(
        folder.path().join("bad.properties"),
        "num.partitions=none\nlog.roll.ms=0\n",
    )
    .expect("written");
    let refused = run(folder.path(), &["bad.properties"]);
    assert_eq!(refused.status.code(), Some(1));
    let why = text(&refused.stderr);
    assert!(
        why.contains("bad.properties:1: num.partitions: Invalid value none"),
        "{why}"
    );
    assert!(
        why.contains("Missing required configuration \"process.roles\""),
        "{why}"
    );
}

#[test]
fn a_directory_belongs_to_one_process() {
    let folder = folder();
    let running = Running::start(folder.path(), &FREE_PORTS);
    let second = run(folder.path(), &FREE_PORTS);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("is in use"),
        "{}",
        text(&second.stderr)
    );
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().0, Some(0));
}
