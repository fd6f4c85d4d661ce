//! What a crash or a failing disk leaves, and what becomes of it.

use super::*;
use crate::batch::BatchHeader;

/// 30 batches of two records in several segments, and the segments' base offsets.
fn written() -> (Bench, Vec<i64>) {
    let bench = Bench::new(small());
    for i in 0..30 {
        bench.append(i, &["0123456789", "b"]);
    }
    let bases = bench.log.segments().iter().map(|s| s.base_offset()).collect();
    (bench, bases)
}

fn mutate(bench: &Bench, base: i64, change: impl FnOnce(&mut Vec<u8>)) {
    let path = bench.file(&format!("{base:020}.log"));
    let mut bytes = std::fs::read(&path).unwrap();
    change(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
}

/// The process is gone and nothing was ever checkpointed.
fn restart_knowing_nothing(bench: &mut Bench) {
    bench.log = open(bench.dir.path(), &bench.config, Checkpointed::NOTHING);
}

#[test]
fn a_torn_tail_is_cut_off() {
    for keep_more in [0usize, 1, 30, 60, 61, 70] {
        let (mut bench, bases) = written();
        let torn = std::fs::read(bench.file(&format!("{:020}.log", 0))).unwrap();
        mutate(&bench, *bases.last().unwrap(), |bytes| {
            bytes.extend(&torn[..keep_more])
        });
        restart_knowing_nothing(&mut bench);
        assert_eq!(bench.log.log_end_offset(), 60);
        assert_eq!(read_from(&bench.log, 0, 500, ReadBound::LogEnd).len(), 60);
        assert!(bench.log.gaps().is_empty());
    }
}

#[test]
fn a_flipped_bit_costs_its_batch_and_no_other() {
    let (mut bench, bases) = written();
    let middle = bases[bases.len() / 2];
    let size = 61 + 30;
    mutate(&bench, middle, |bytes| bytes[size + 70] ^= 1);
    restart_knowing_nothing(&mut bench);
    let gap = bench.log.gaps()[0];
    assert_eq!((gap.first_offset, gap.next_offset), (middle + 2, middle + 4));
    assert_eq!(bench.log.log_end_offset(), 60);
    assert_eq!(read_up_to_damage(&bench.log, 0), middle + 2);
    for lost in [middle + 2, middle + 3] {
        let read = bench.log.read(lost, 100, ReadBound::LogEnd, true);
        assert!(matches!(read, Err(ReadError::Corrupt { next_offset, .. }) if next_offset == middle + 4));
    }
    let behind = read_from(&bench.log, middle + 4, 500, ReadBound::LogEnd);
    assert_eq!(behind.len() as i64, 60 - (middle + 4));
}

#[test]
fn a_damaged_header_is_searched_over() {
    let (mut bench, _) = written();
    mutate(&bench, 0, |bytes| bytes[8..12].copy_from_slice(&[0xff; 4]));
    restart_knowing_nothing(&mut bench);
    assert_eq!(bench.log.gaps()[0].next_offset, 2);
    assert!(matches!(
        bench.log.read(0, 100, ReadBound::LogEnd, true),
        Err(ReadError::Corrupt {
            first_offset: 0,
            next_offset: 2
        })
    ));
    assert_eq!(read_from(&bench.log, 2, 500, ReadBound::LogEnd).len(), 58);
}

#[test]
fn a_damaged_offset_which_no_checksum_covers_is_seen_by_what_follows() {
    // Byte 6 makes it a little larger, byte 0 absurd; in the middle of a segment, and at the end of the log.
    for byte in [6, 0] {
        let (mut bench, bases) = written();
        let middle = bases[bases.len() / 2];
        let first = std::fs::read(bench.file(&format!("{middle:020}.log"))).unwrap();
        let size = BatchHeader::parse(&first).unwrap().size_bytes();
        let found = |bytes: &[u8]| BatchHeader::parse(&bytes[size..]).unwrap().base_offset;
        mutate(&bench, middle, |bytes| {
            assert_eq!(found(bytes), middle + 2);
            bytes[size + byte] ^= 1;
        });
        restart_knowing_nothing(&mut bench);
        let gap = bench.log.gaps()[0];
        assert_eq!((gap.first_offset, gap.next_offset), (middle + 2, middle + 4));
        assert_eq!((bench.log.gaps().len(), bench.log.log_end_offset()), (1, 60));

        let (mut bench, bases) = written();
        let last = bench.append(99, &["the last"]).first_offset;
        mutate(
            &bench,
            *bench
                .log
                .segments()
                .last()
                .map(|s| s.base_offset())
                .as_ref()
                .unwrap(),
            |bytes| {
                let at = bytes.windows(8).rposition(|w| w == last.to_be_bytes()).unwrap();
                bytes[at + byte] ^= 1;
            },
        );
        restart_knowing_nothing(&mut bench);
        assert_eq!(bench.log.log_end_offset(), last, "{bases:?}");
    }
}

#[test]
fn a_lost_end_of_an_older_segment_does_not_cost_the_later_ones() {
    let (mut bench, bases) = written();
    mutate(&bench, bases[1], |bytes| bytes.truncate(bytes.len() - 10));
    restart_knowing_nothing(&mut bench);
    let gap = bench.log.gaps()[0];
    assert_eq!((gap.first_offset, gap.next_offset), (bases[2] - 2, bases[2]));
    assert_eq!(
        read_from(&bench.log, bases[2], 500, ReadBound::LogEnd).len() as i64,
        60 - bases[2]
    );
    assert_eq!(read_up_to_damage(&bench.log, 0), bases[2] - 2);
}

#[test]
fn later_segments_without_a_batch_go_with_the_tail() {
    let (mut bench, bases) = written();
    let last = *bases.last().unwrap();
    let before = bases[bases.len() - 2];
    mutate(&bench, before, |bytes| bytes.truncate(bytes.len() - 10));
    mutate(&bench, last, |bytes| bytes.fill(0));
    restart_knowing_nothing(&mut bench);
    assert_eq!(bench.log.log_end_offset(), last - 2);
    assert_eq!(bench.log.segments().last().unwrap().base_offset(), before);
    assert_eq!(bench.append(99, &["x"]).first_offset, last - 2);
}

#[test]
fn lost_indexes_are_built_again_as_they_were() {
    let (mut bench, bases) = written();
    bench.log.close().unwrap();
    let read_all = |bench: &Bench| -> Vec<Vec<u8>> {
        let names = bases
            .iter()
            .flat_map(|b| [format!("{b:020}.index"), format!("{b:020}.timeindex")]);
        names
            .map(|name| std::fs::read(bench.file(&name)).unwrap())
            .collect()
    };
    let before = read_all(&bench);
    for base in &bases {
        std::fs::remove_file(bench.file(&format!("{base:020}.index"))).unwrap();
    }
    let known = Checkpointed {
        clean_shutdown: true,
        ..bench.known()
    };
    bench.log = open(bench.dir.path(), &bench.config, known);
    assert_eq!(read_all(&bench), before);
}

/// The offset index and the time index of the segment at 0; `None` where there is no file.
fn indexes_at_zero(bench: &Bench) -> [Option<Vec<u8>>; 2] {
    ["index", "timeindex"].map(|suffix| std::fs::read(bench.file(&format!("{:020}.{suffix}", 0))).ok())
}

#[test]
fn a_small_log_gets_its_indexes_from_the_clean_stop_and_not_from_the_recovery() {
    let mut bench = Bench::new(LogConfig::default());
    bench.append(7, &["a"]);
    restart_knowing_nothing(&mut bench);
    assert_eq!(indexes_at_zero(&bench), [None, None]);
    bench.log.close().unwrap();
    let [offsets, times] = indexes_at_zero(&bench);
    assert_eq!(
        (offsets, times.map(|times| times.len())),
        (Some(vec![]), Some(12))
    );
}

#[test]
fn indexes_are_complete_when_a_killed_broker_had_written_nothing_and_writes_nothing() {
    let mut bench = Bench::new(LogConfig::default());
    bench.append(7, &["a"]);
    bench.log.close().unwrap();
    let before = indexes_at_zero(&bench);
    let known = bench.known();
    bench.log = open(bench.dir.path(), &bench.config, known);
    bench.log.close().unwrap();
    assert_eq!(indexes_at_zero(&bench), before);
}

#[test]
fn an_index_that_lies_is_not_trusted_even_after_a_clean_stop() {
    let lies: [fn(&mut Vec<u8>); 4] = [
        // Behind the end, into the middle of a batch, an offset that is not there, and the zeros of a preallocated file.
        |index| index.iter_mut().rev().take(4).for_each(|byte| *byte = 0x7f),
        |index| *index.last_mut().unwrap() += 1,
        |index| {
            let at = index.len() - 6;
            index[at] = 0x7f;
        },
        |index| index.extend([0; 800]),
    ];
    for lie in lies {
        let (mut bench, _) = written();
        while bench
            .log
            .segments()
            .last()
            .unwrap()
            .offset_index()
            .last()
            .unwrap()
            .position
            == 0
        {
            bench.append(31, &["0123456789"]);
        }
        let end = bench.log.log_end_offset();
        let active = bench.log.segments().last().unwrap().base_offset();
        bench.log.close().unwrap();
        let path = bench.file(&format!("{active:020}.index"));
        let good = std::fs::read(&path).unwrap();
        let mut bytes = good.clone();
        lie(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let known = Checkpointed {
            clean_shutdown: true,
            ..bench.known()
        };
        bench.log = open(bench.dir.path(), &bench.config, known);
        assert_eq!(bench.log.log_end_offset(), end);
        assert_eq!(read_from(&bench.log, 0, 500, ReadBound::LogEnd).len() as i64, end);
        assert_eq!(std::fs::read(&path).unwrap(), good);
    }
}

#[test]
fn below_the_recovery_point_nothing_is_read() {
    let (mut bench, bases) = written();
    mutate(&bench, 0, |bytes| bytes[80] ^= 1);
    let known = Checkpointed {
        recovery_point: 60,
        ..bench.known()
    };
    bench.log = open(bench.dir.path(), &bench.config, known);
    assert!(bench.log.gaps().is_empty());
    assert_eq!(bench.log.log_end_offset(), 60);
    assert!(bases.len() > 2);
}

#[test]
fn a_failed_write_takes_the_directory_out_of_service() {
    struct FailWrites;
    impl crate::vfs::Faults for FailWrites {
        fn before(&self, op: crate::vfs::DiskOp, path: &Path) -> std::io::Result<()> {
            if op == crate::vfs::DiskOp::Write && path.extension().is_some_and(|e| e == "log") {
                return Err(std::io::Error::other("the disk is gone"));
            }
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::with_faults(dir.path(), Arc::new(FailWrites)));
    let identity = LogIdentity {
        topic_partition: TopicPartition::new("t", 0),
        topic_id: Uuid::from_u128(7),
        dir_id: Uuid::from_u128(8),
    };
    let log = UnrecoveredLog::open(Home::new(disk, dir.path()), identity, Arc::default(), 0)
        .unwrap()
        .recover(Checkpointed::NOTHING, Arc::default(), 0)
        .unwrap();
    for _ in 0..2 {
        let append = log.append_as_leader(batch_of(0, &["x"]), 0, AppendOrigin::Client, 0);
        assert!(matches!(append, Err(AppendError::Storage(_))));
    }
    assert!(log.is_offline());
    assert_eq!(log.log_end_offset(), 0);
    assert!(log.flush().is_ok(), "there is nothing to flush");
}

/// Reads on from `offset` until the damage is reached, and returns where that was.
fn read_up_to_damage(log: &Log, mut offset: i64) -> i64 {
    loop {
        match log.read(offset, 300, ReadBound::LogEnd, true) {
            Err(ReadError::Corrupt { first_offset, .. }) => {
                assert_eq!(first_offset, offset);
                return offset;
            }
            read => {
                let slice = read.unwrap().slice.unwrap();
                let mut bytes = vec![0; slice.len];
                std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.position).unwrap();
                offset = records_in(&bytes).last().unwrap().0 + 1;
            }
        }
    }
}
