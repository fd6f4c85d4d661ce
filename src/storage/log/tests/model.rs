//! Random histories: append, roll, retention, truncation, clean restart, kill. After every step the log is the model.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Append { records: usize, bytes: usize },
    DeleteBefore(u8),
    Retention,
    Truncate(u8),
    Restart,
    Kill { torn_bytes: usize },
    Flush,
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1usize..5, 0usize..120).prop_map(|(records, bytes)| Step::Append { records, bytes }),
        1 => any::<u8>().prop_map(Step::DeleteBefore),
        1 => Just(Step::Retention),
        1 => any::<u8>().prop_map(Step::Truncate),
        1 => Just(Step::Restart),
        1 => (0usize..200).prop_map(|torn_bytes| Step::Kill { torn_bytes }),
        1 => Just(Step::Flush),
        1 => Just(Step::Release),
    ]
}

/// The records of the log, and which of them came together: first and last offset.
#[derive(Default)]
struct Model {
    records: Vec<(i64, String)>,
    batches: Vec<(i64, i64)>,
    next: i64,
}

impl Model {
    /// Batches are cut whole.
    fn truncate(&mut self, offset: i64) {
        let cut = self.batches.iter().find(|(_, last)| *last >= offset).copied();
        self.next = cut.map_or(offset, |(first, _)| first.min(offset));
        self.batches.retain(|(_, last)| *last < offset);
        self.records.retain(|(o, _)| *o < self.next);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_is_a_vector_of_records(steps in proptest::collection::vec(step(), 1..60)) {
        let mut bench = Bench::new(LogConfig { retention_bytes: 2000, ..small() });
        let mut model = Model::default();
        for (n, step) in steps.into_iter().enumerate() {
            apply(&mut bench, &mut model, n as i64, step);
            check(&bench.log, &model);
        }
    }
}

fn apply(bench: &mut Bench, model: &mut Model, n: i64, step: Step) {
    match step {
        Step::Append { records, bytes } => {
            let values: Vec<String> = (0..records)
                .map(|i| format!("{n}.{i}.{}", "x".repeat(bytes)))
                .collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let info = bench.append(n, &values);
            assert_eq!(info.first_offset, model.next);
            model.batches.push((info.first_offset, info.last_offset));
            for value in values {
                model.records.push((model.next, value.to_owned()));
                model.next += 1;
            }
        }
        Step::DeleteBefore(part) => {
            let to = part_of(&bench.log, part);
            bench.log.delete_records_before(to).unwrap();
        }
        Step::Retention => {
            bench.log.apply_retention(n).unwrap();
        }
        Step::Truncate(part) => {
            let to = part_of(&bench.log, part);
            bench.log.truncate_to(to).unwrap();
            if to < model.next {
                model.truncate(to);
            }
        }
        Step::Restart => bench.restart_cleanly(),
        Step::Kill { torn_bytes } => {
            // The end of a write that never was: half a batch, or zeros.
            let active = bench.log.segments().last().unwrap().log().path();
            let mut bytes = std::fs::read(&active).unwrap();
            bytes.extend(std::iter::repeat_n(0, torn_bytes));
            std::fs::write(&active, bytes).unwrap();
            bench.restart_after_kill();
        }
        Step::Flush => bench.log.flush().unwrap(),
        Step::Release => bench.log.release(),
    }
}

fn part_of(log: &Log, part: u8) -> i64 {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    start + (end - start) * i64::from(part) / 255
}

fn check(log: &Log, model: &Model) {
    let start = log.log_start_offset();
    assert!(start <= log.last_stable_offset());
    assert!(log.last_stable_offset() <= log.high_watermark());
    assert!(log.high_watermark() <= log.log_end_offset());
    assert!(log.recovery_point() <= log.log_end_offset());
    let expected: Vec<(i64, String)> = model
        .records
        .iter()
        .filter(|(o, _)| *o >= start)
        .cloned()
        .collect();
    assert_eq!(log.log_end_offset(), model.next);
    assert_eq!(read_from(log, start, 400, ReadBound::LogEnd), expected);
}
