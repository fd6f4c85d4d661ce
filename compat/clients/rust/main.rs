//! rdkafka (librdkafka from Rust) on the steps of `../README.md`, and the writer of `../../realtext`.
//!
//! ```text
//! rdkafka-client BOOTSTRAP PREFIX scenario|before|after
//! rdkafka-client BOOTSTRAP TOPIC send FILE ACKS_FILE true|false    every line of FILE; the flag is enable.idempotence
//! ```

mod check;
mod cluster;
mod groups;
mod scenario;
mod send;

use std::process::ExitCode;

use check::Outcome;
use scenario::Scenario;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        [bootstrap, prefix, part @ ("scenario" | "before" | "after")] => run_steps(bootstrap, prefix, part),
        [bootstrap, topic, "send", file, acks_file, idempotence] => {
            send::send_lines(bootstrap, topic, file, acks_file, idempotence)
        }
        _ => Err("see the top of main.rs for the arguments".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rdkafka-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_steps(bootstrap: &str, prefix: &str, part: &str) -> Outcome<()> {
    let mut scenario = Scenario::new(bootstrap, prefix)?;
    let mut failed = 0;
    for (name, step) in scenario::steps(part) {
        match step(&mut scenario) {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                failed += 1;
                println!("FAIL {name} {}", error.to_string().replace('\n', " "));
            }
        }
    }
    if failed > 0 {
        Err(format!("{failed} steps failed").into())
    } else {
        Ok(())
    }
}
