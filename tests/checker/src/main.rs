//! `ottla-checker run` works on a broker that somebody else kills and starts, and judges what came of it; `ottla-checker judge`
//! judges a history that was kept. Findings are lines on the output, and the exit code is 1.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use ottla_checker::clients;
use ottla_checker::history::{Action, History};
use ottla_checker::judge::{Rule, judge};
use tokio::task::LocalSet;

#[derive(Parser)]
#[command(name = "ottla-checker")]
enum Command {
    Run {
        #[command(flatten)]
        options: clients::Options,
        /// Where the history is kept.
        #[arg(long)]
        history: PathBuf,
    },
    Judge {
        history: PathBuf,
    },
}

/// More are the same fault again.
const FINDINGS_SHOWN: usize = 40;

fn main() -> Result<ExitCode> {
    let (history, ended) = match Command::parse() {
        Command::Run { options, history } => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let (made, ended) = LocalSet::new().block_on(&runtime, clients::run(&options));
            std::fs::write(&history, made.to_string())
                .with_context(|| format!("cannot write {}", history.display()))?;
            (made, ended)
        }
        Command::Judge { history } => {
            let text = std::fs::read_to_string(&history)
                .with_context(|| format!("cannot read {}", history.display()))?;
            (text.parse()?, Ok(()))
        }
    };
    print_counts(&history);
    let findings = judge(&history);
    for finding in findings.iter().take(FINDINGS_SHOWN) {
        println!("{finding}");
    }
    let mut by_rule: BTreeMap<Rule, usize> = BTreeMap::new();
    for finding in &findings {
        *by_rule.entry(finding.rule).or_default() += 1;
    }
    println!("{} findings {by_rule:?}", findings.len());
    // Said last, and after the findings: they may be why.
    ended.context("the run broke off")?;
    Ok(ExitCode::from(u8::from(!findings.is_empty())))
}

/// What was done and what came of it, so that an empty history is not taken for a faultless one.
fn print_counts(history: &History) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for operation in &history.operations {
        let name = match &operation.action {
            Action::Init { .. } => "init",
            Action::Send(send) if send.txn.is_some() => "transactional send",
            Action::Send(_) => "send",
            Action::CommitOffset { .. } => "commit of offsets",
            Action::SetOffset { .. } => "commit of offsets outside of transactions",
            Action::End { commit: true, .. } => "commit",
            Action::End { commit: false, .. } => "abort",
            Action::Poll(_) => "poll",
            Action::Committed { .. } => "read of offsets",
        };
        *counts
            .entry(format!("{name} {:?}", operation.outcome).to_lowercase())
            .or_default() += 1;
    }
    for (name, count) in counts {
        println!("{name}: {count}");
    }
}
