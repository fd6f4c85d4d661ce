//! Each rule by its cases, and by histories that a correct broker could have made.

mod model;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Rule, judge};
use crate::history::History;

const CASES: &str = include_str!("cases.txt");

struct Case<'t> {
    name: &'t str,
    history: &'t str,
    expected: BTreeSet<String>,
}

fn cases() -> Vec<Case<'static>> {
    let mut found = Vec::new();
    for text in CASES.split("\n== ").skip(1) {
        let (name, rest) = text.split_once('\n').expect("a name and a history");
        let (history, verdict) = rest.split_once("=> ").expect("a verdict");
        let words = verdict.lines().next().into_iter().flat_map(str::split_whitespace);
        found.push(Case {
            name,
            history,
            expected: words
                .filter(|word| *word != "nothing")
                .map(str::to_owned)
                .collect(),
        });
    }
    found
}

#[test]
fn each_case_is_judged_as_it_says() {
    for case in cases() {
        let history: History = case
            .history
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let findings = judge(&history);
        let found: BTreeSet<String> = findings.iter().map(|it| format!("{:?}", it.rule)).collect();
        assert_eq!(found, case.expected, "{}: {findings:#?}", case.name);
    }
}

#[test]
fn each_rule_has_a_case_that_breaks_it() {
    let broken: BTreeSet<String> = cases().into_iter().flat_map(|case| case.expected).collect();
    let all = [
        Rule::Phantom,
        Rule::Lost,
        Rule::Duplicate,
        Rule::Moved,
        Rule::Reordered,
        Rule::Aborted,
        Rule::Torn,
        Rule::Unstable,
        Rule::StablePastOpen,
        Rule::BeyondStable,
        Rule::Zombie,
        Rule::WatermarkBack,
        Rule::Skipped,
        Rule::Copy,
        Rule::OffsetBack,
        Rule::OffsetAborted,
        Rule::Hanging,
        Rule::Unread,
    ];
    let all: BTreeSet<String> = all.iter().map(|rule| format!("{rule:?}")).collect();
    assert_eq!(broken, all);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_correct_broker_is_never_accused(choices in prop::collection::vec(any::<u64>(), 1..250)) {
        let history = model::run(&choices, model::Fault::None);
        let findings = judge(&history);
        prop_assert!(findings.is_empty(), "{findings:#?}\n{history}");
    }
}

/// A broker that does one thing wrong throughout is found out by the rule that is about it.
#[test]
fn each_fault_of_the_model_is_found() {
    for (fault, rule) in [
        (model::Fault::LosesAcknowledged, Rule::Lost),
        (model::Fault::WritesTwice, Rule::Duplicate),
        (model::Fault::ShowsAborted, Rule::Aborted),
        (model::Fault::TearsCommits, Rule::Torn),
        (model::Fault::LetsZombiesWrite, Rule::Zombie),
        (model::Fault::KeepsAbortedOffsets, Rule::OffsetAborted),
    ] {
        let caught = (0..20u64).any(|seed| {
            let choices: Vec<u64> = (0..400u64).map(|n| model::scramble(seed * 1000 + n)).collect();
            let findings = judge(&model::run(&choices, fault));
            findings.iter().any(|finding| finding.rule == rule)
        });
        assert!(caught, "{fault:?} was not found");
    }
}
