//! Files that were changed behind our back: bits flipped, ends cut, bytes added, files missing. Whatever a partition looks
//! like, it is opened or refused with an error; records that are served carry a valid checksum; nothing panics.

use std::os::unix::fs::FileExt;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::batch::AnyBatch;

#[derive(Clone, Debug)]
enum Mutation {
    Flip { at: Index, bit: u8 },
    Overwrite { at: Index, bytes: Vec<u8> },
    Cut { at: Index },
    Append { bytes: Vec<u8> },
    Empty,
    Remove,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        4 => (any::<Index>(), 0u8..8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        2 => (any::<Index>(), bytes()).prop_map(|(at, bytes)| Mutation::Overwrite { at, bytes }),
        2 => any::<Index>().prop_map(|at| Mutation::Cut { at }),
        1 => bytes().prop_map(|bytes| Mutation::Append { bytes }),
        1 => Just(Mutation::Empty),
        1 => Just(Mutation::Remove),
    ]
}

fn mutate(path: &Path, mutation: &Mutation) {
    let Ok(mut bytes) = std::fs::read(path) else {
        return;
    };
    match mutation {
        Mutation::Remove => return std::fs::remove_file(path).unwrap(),
        Mutation::Empty => bytes.clear(),
        Mutation::Append { bytes: more } => bytes.extend(more),
        _ if bytes.is_empty() => return,
        Mutation::Flip { at, bit } => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Mutation::Overwrite { at, bytes: new } => {
            let at = at.index(bytes.len());
            for (to, from) in bytes[at..].iter_mut().zip(new) {
                *to = *from;
            }
        }
        Mutation::Cut { at } => bytes.truncate(at.index(bytes.len())),
    }
    std::fs::write(path, bytes).unwrap();
}

/// Reads everything that can be read, past what is damaged, and asks every other question.
fn exercise(log: &Log, was_recovered: bool) {
    let mut next = log.log_start_offset();
    while next < log.log_end_offset() {
        match log.read(next, 1 << 20, ReadBound::LogEnd, true) {
            Ok(read) => match read.slice {
                Some(slice) => next = last_offset_of(&slice, was_recovered).max(next) + 1,
                None => break,
            },
            Err(ReadError::Corrupt { next_offset, .. }) => {
                assert!(next_offset > next);
                next = next_offset;
            }
            Err(_) => break,
        }
    }
    let _ = log.offset_for_timestamp(1_795_266_205_000);
    let _ = log.max_timestamp_offset();
    let _ = log.aborted_transactions(0, i64::MAX);
    let _ = log.active_producers();
    let _ = log.end_offset_for_epoch(0);
}

fn last_offset_of(slice: &ottla_base::FileSlice, was_recovered: bool) -> i64 {
    let mut bytes = vec![0; slice.len];
    let _ = slice.file.read_exact_at(&mut bytes, slice.position);
    let mut rest = &bytes[..];
    let mut last = -1;
    while let Ok(batch) = AnyBatch::parse(rest)
        && let Some((whole, behind)) = rest.split_at_checked(batch.size_bytes())
    {
        // What was below the recovery point is served unread, as Kafka does: the client sees a wrong checksum.
        assert!(!was_recovered || batch.crc_is_valid(whole), "damage was served");
        last = batch.last_offset();
        rest = behind;
    }
    last
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_can_do_worse_than_an_error(
        mutations in proptest::collection::vec((any::<Index>(), mutation()), 1..6),
        clean_shutdown: bool,
    ) {
        let dir = golden::copy(|_| true);
        let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        for (which, mutation) in &mutations {
            mutate(&names[which.index(names.len())], mutation);
        }
        let known = Checkpointed { clean_shutdown, high_watermark: 202, ..Checkpointed::NOTHING };
        let identity = LogIdentity {
            topic_partition: TopicPartition::new("t", 0),
            topic_id: Uuid::from_u128(7),
            dir_id: Uuid::from_u128(8),
        };
        let home = Home::new(Arc::new(Disk::new(dir.path())), dir.path());
        let opened = UnrecoveredLog::open(home, identity, Arc::new(golden::config()), 0)
            .and_then(|log| log.recover(known, Arc::default(), 0));
        if let Ok(log) = opened {
            exercise(&log, !clean_shutdown);
            let batch = batch_of(0, &["goes on"]);
            if let Ok(info) = log.append_as_leader(batch, 1, AppendOrigin::Client, 0) {
                log.raise_high_watermark(info.last_offset + 1);
                let read = log.read(info.first_offset, 1 << 20, ReadBound::LogEnd, true).unwrap();
                prop_assert_eq!(read.first_offset, info.first_offset);
            }
            let _ = log.apply_retention(i64::MAX / 2);
            log.close().unwrap();
        }
    }
}
