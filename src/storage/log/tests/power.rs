//! The power goes out: only what was synced is on the disk.
//!
//! A twin of the disk keeps, beside the files, what a power cut would leave of them: a file's bytes as of its last sync, a
//! directory's names as of the directory's last sync. The log lives on the files; then its remains are opened. What a
//! flush has promised must be there.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::vfs::{DiskOp, Faults};

/// What survives.
#[derive(Default)]
struct Twin {
    /// Bytes by inode.
    files: Mutex<HashMap<u64, Vec<u8>>>,
    /// Names and their inodes, of the one directory that the log has.
    names: Mutex<HashMap<String, u64>>,
}

impl Faults for Twin {
    fn before(&self, op: DiskOp, path: &Path) -> io::Result<()> {
        match op {
            DiskOp::Sync => {
                let inode = std::fs::metadata(path)?.ino();
                self.files.lock().insert(inode, std::fs::read(path)?);
            }
            DiskOp::SyncDir => {
                let mut names = HashMap::new();
                for entry in std::fs::read_dir(path)? {
                    let entry = entry?;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    names.insert(name, entry.metadata()?.ino());
                }
                *self.names.lock() = names;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Twin {
    /// The directory after the cut. Of what was never synced, `kept` in 256 parts of the bytes made it to the disk.
    fn remains(&self, live: &Path, kept: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let files = self.files.lock();
        for (name, inode) in self.names.lock().iter() {
            let mut bytes = files.get(inode).cloned().unwrap_or_default();
            let now = std::fs::read(live.join(name)).unwrap_or_default();
            let is_same_file = std::fs::metadata(live.join(name)).is_ok_and(|m| m.ino() == *inode);
            if is_same_file && now.len() > bytes.len() {
                let more = (now.len() - bytes.len()) * kept / 256;
                bytes.extend_from_slice(&now[bytes.len()..bytes.len() + more]);
            }
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        dir
    }
}

fn live_on(dir: &Path, twin: Arc<Twin>) -> Arc<Log> {
    let identity = LogIdentity {
        topic_partition: TopicPartition::new("t", 0),
        topic_id: Uuid::from_u128(7),
        dir_id: Uuid::from_u128(8),
    };
    let home = Home::new(Arc::new(Disk::with_faults(dir, twin)), dir);
    UnrecoveredLog::open(home, identity, Arc::new(small()), 0)
        .unwrap()
        .recover(Checkpointed::NOTHING, Arc::default(), 0)
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_flushed_survives(
        flush_after in proptest::collection::vec(1i64..12, 1..5),
        unflushed in 0i64..12,
        kept in 0usize..=256,
        knows_recovery_point: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let twin = Arc::new(Twin::default());
        let log = live_on(dir.path(), Arc::clone(&twin));
        log.assign_epoch(0, 0);
        let mut n = 0;
        let mut append = |count: i64| {
            for _ in 0..count {
                let batch = batch_of(n, &["0123456789", "b"]);
                log.append_as_leader(batch, (n / 9) as i32, AppendOrigin::Client, n).unwrap();
                n += 1;
            }
        };
        for count in flush_after {
            append(count);
            log.flush().unwrap();
        }
        let promised = log.recovery_point();
        append(unflushed);

        let remains = twin.remains(dir.path(), kept);
        let known = Checkpointed {
            recovery_point: if knows_recovery_point { promised } else { 0 },
            ..Checkpointed::NOTHING
        };
        let after = open(remains.path(), &Arc::new(small()), known);
        prop_assert!(after.log_end_offset() >= promised, "{} of {promised}", after.log_end_offset());
        // The end of a rolled segment may be lost while the next one is there; but nothing that was promised is.
        prop_assert!(after.gaps().iter().all(|gap| gap.first_offset >= promised));
        let until = after.gaps().first().map_or(after.log_end_offset(), |gap| gap.first_offset);
        let expected = read_from(&log, 0, 400, ReadBound::LogEnd);
        after.raise_high_watermark(until);
        let found = read_from(&after, 0, 400, ReadBound::HighWatermark);
        prop_assert!(found.len() as i64 >= promised);
        prop_assert_eq!(&found[..], &expected[..found.len()]);
        let epoch = after.epoch_of(promised - 1);
        prop_assert_eq!(epoch, log.epoch_of(promised - 1));
        for segment in after.segments().iter() {
            let base = segment.base_offset();
            if base >= until {
                break;
            }
            let found = after.read(base, 1, ReadBound::LogEnd, true).unwrap();
            prop_assert!(found.slice.is_none() || found.first_offset == base);
        }
    }
}

/// An append may roll the log while a flush is at work. What the flush then promises must lie in files that it synced, and
/// the newest segment is not one of them.
#[test]
fn a_flush_beside_a_roll_promises_only_what_it_synced() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let twin = Arc::new(Twin::default());
        let log = live_on(dir.path(), Arc::clone(&twin));
        let promised = std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..100 {
                    let batch = batch_of(n, &["0123456789", "b"]);
                    log.append_as_leader(batch, 0, AppendOrigin::Client, n).unwrap();
                }
            });
            while log.recovery_point() < 20 {
                log.flush().unwrap();
            }
            log.recovery_point()
        });
        let remains = twin.remains(dir.path(), 0);
        let after = open(remains.path(), &Arc::new(small()), Checkpointed::NOTHING);
        let end = after.log_end_offset();
        assert!(end >= promised, "{promised} were promised, {end} are there");
    }
}
