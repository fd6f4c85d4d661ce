//! Readers beside a writer: they take no lock, and yet see whole batches in order, up to their bound, and nothing else.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Reads from the start again and again, until told to stop; returns how often it came to the end.
fn read_on(log: &Log, stop: &AtomicBool, bound: ReadBound) -> u32 {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) || rounds == 0 {
        let mut next = log.log_start_offset();
        loop {
            let read = match log.read(next, 700, bound, true) {
                Ok(read) => read,
                // Retention was faster.
                Err(ReadError::OffsetOutOfRange { log_start, .. }) if log_start > next => break,
                Err(error) => panic!("{error}"),
            };
            assert!(read.last_stable_offset <= read.high_watermark);
            let Some(slice) = read.slice else { break };
            let mut bytes = vec![0; slice.len];
            std::os::unix::fs::FileExt::read_exact_at(&*slice.file, &mut bytes, slice.position).unwrap();
            for (offset, value) in records_in(&bytes) {
                if offset >= next {
                    assert_eq!(value.parse(), Ok(offset), "a record at another's offset");
                    assert_eq!(offset, next, "a record was left out");
                    next = offset + 1;
                }
            }
            assert!(bound == ReadBound::LogEnd || next <= log.high_watermark());
        }
        let _ = log.offset_for_timestamp(next / 2).unwrap();
        rounds += 1;
    }
    rounds
}

#[test]
fn readers_and_a_writer_do_not_disturb_each_other() {
    let bench = Bench::new(LogConfig {
        segment_bytes: 3000,
        retention_bytes: 20_000,
        ..small()
    });
    let (log, stop) = (&bench.log, &AtomicBool::new(false));
    let rounds = std::thread::scope(|scope| {
        let readers: Vec<_> = [ReadBound::HighWatermark, ReadBound::LogEnd, ReadBound::LastStable]
            .map(|bound| scope.spawn(move || read_on(log, stop, bound)))
            .into_iter()
            .collect();
        for i in 0..6000i64 {
            let end = log.log_end_offset();
            let values = [end.to_string(), (end + 1).to_string()];
            let batch = batch_of(i, &[&values[0], &values[1]]);
            log.append_as_leader(batch, 0, AppendOrigin::Client, i).unwrap();
            if i % 3 == 0 {
                log.raise_high_watermark(log.log_end_offset());
            }
            match i % 500 {
                100 => drop(log.apply_retention(i).unwrap()),
                200 => log.release(),
                300 => log.flush().unwrap(),
                _ => {}
            }
        }
        stop.store(true, Ordering::Relaxed);
        readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum::<u32>()
    });
    assert!(rounds >= 3);
    assert!(log.log_start_offset() > 0);
}

#[test]
fn flushes_that_wait_share_one_sync() {
    let bench = Bench::new(small());
    let log = &bench.log;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..50 {
                    let info = log
                        .append_as_leader(batch_of(i, &["x"]), 0, AppendOrigin::Client, i)
                        .unwrap();
                    log.flush().unwrap();
                    assert!(log.recovery_point() > info.last_offset);
                }
            });
        }
    });
    assert_eq!((log.log_end_offset(), log.recovery_point()), (200, 200));
}
