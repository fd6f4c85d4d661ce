//! Random histories of a compacted log: whatever was cleaned in between, the table that is read is the model's.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Put {
        key: u8,
        is_tombstone: bool,
        codec: u8,
    },
    Transaction {
        producer: u8,
        keys: Vec<u8>,
        commits: bool,
    },
    Begin {
        producer: u8,
        key: u8,
    },
    Clean {
        later_ms: u16,
    },
    Reopen {
        clean_shutdown: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let producer = 0u8..3;
    prop_oneof![
        12 => (0u8..8, proptest::bool::weighted(0.2), 0u8..5)
            .prop_map(|(key, is_tombstone, codec)| Step::Put { key, is_tombstone, codec }),
        4 => (producer.clone(), proptest::collection::vec(0u8..8, 1..6), any::<bool>())
            .prop_map(|(producer, keys, commits)| Step::Transaction { producer, keys, commits }),
        1 => (producer, 0u8..8).prop_map(|(producer, key)| Step::Begin { producer, key }),
        3 => (0u16..3000).prop_map(|later_ms| Step::Clean { later_ms }),
        1 => any::<bool>().prop_map(|clean_shutdown| Step::Reopen { clean_shutdown }),
    ]
}

/// What a producer has sent, and what waits for its commit.
#[derive(Default)]
struct Producer {
    epoch: i16,
    sequence: i32,
    pending: Vec<(String, i64, Option<String>)>,
    is_open: bool,
}

struct World {
    bench: Bench,
    table: Latest,
    producers: [Producer; 3],
    now_ms: i64,
    count: usize,
}

impl World {
    fn value(&mut self) -> String {
        self.count += 1;
        format!("value {}", self.count)
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Put {
                key,
                is_tombstone,
                codec,
            } => {
                let value = (!is_tombstone).then(|| self.value());
                let codec = batch::Codec::from_attributes(codec.into()).unwrap();
                let (key, filler) = (format!("k{key}"), self.count.to_string());
                let options = BatchOptions {
                    codec,
                    ..BatchOptions::default()
                };
                let records = [
                    (key.as_str(), value.as_deref()),
                    ("filler", Some(filler.as_str())),
                ];
                let info = self.bench.append(options, &records).unwrap();
                self.table
                    .insert("filler".to_owned(), (info.last_offset, Some(filler.clone())));
                self.table.insert(key, (info.first_offset, value));
            }
            Step::Transaction {
                producer,
                keys,
                commits,
            } => {
                for key in keys {
                    self.send(producer.into(), key);
                }
                self.end(producer.into(), commits);
            }
            Step::Begin { producer, key } => self.send(producer.into(), key),
            Step::Clean { later_ms } => {
                self.now_ms += i64::from(later_ms);
                self.bench.clean(self.now_ms);
            }
            Step::Reopen { clean_shutdown } => self.bench.reopen(clean_shutdown),
        }
    }

    fn send(&mut self, producer: usize, key: u8) {
        let (key, value) = (format!("k{key}"), self.value());
        let p = &mut self.producers[producer];
        let options = txn(producer as i64 + 40, p.epoch, p.sequence);
        let info = self.bench.append(options, &[(&key, Some(&value))]).unwrap();
        p.sequence += 1;
        p.is_open = true;
        p.pending.push((key, info.first_offset, Some(value)));
    }

    fn end(&mut self, producer: usize, commits: bool) {
        let p = &mut self.producers[producer];
        p.epoch += 1;
        p.sequence = 0;
        p.is_open = false;
        let kind = if commits { EndTxn::Commit } else { EndTxn::Abort };
        end_txn(&self.bench.log, kind, producer as i64 + 40, p.epoch);
        for (key, offset, value) in p.pending.drain(..) {
            let is_newer = self.table.get(&key).is_none_or(|(known, _)| *known < offset);
            if commits && is_newer {
                self.table.insert(key, (offset, value));
            }
        }
    }

    /// All that is stable must be as the model has it.
    fn check(&self) {
        let stable = self.bench.log.last_stable_offset();
        if self.producers.iter().any(|p| p.is_open) {
            return;
        }
        assert_eq!(stable, self.bench.log.log_end_offset());
        let mut expected = self.table.clone();
        expected.retain(|_, (_, value)| value.is_some());
        assert_eq!(alive(&self.bench.log), expected);
        for batch in batches(&self.bench.log).windows(2) {
            assert!(batch[0].0.last_offset() < batch[1].0.base_offset);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cleaned_log_tells_the_same(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World {
            bench: Bench::new(compacted()),
            table: Latest::new(),
            producers: Default::default(),
            now_ms: 1000,
            count: 0,
        };
        for step in steps {
            world.apply(step);
            world.check();
        }
        for producer in 0..3 {
            if world.producers[producer].is_open {
                world.end(producer, true);
            }
        }
        world.check();
        for clean_shutdown in [false, true] {
            world.bench.roll();
            world.table.insert("filler".to_owned(), latest(&world.bench.log)["filler"].clone());
            world.now_ms += 5000;
            world.bench.clean(world.now_ms);
            world.check();
            world.bench.reopen(clean_shutdown);
            world.check();
        }
    }
}
