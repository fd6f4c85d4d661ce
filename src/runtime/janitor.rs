//! The janitor: what has to be done to logs from time to time, by one task for each log directory that sleeps until the next
//! thing is due.
//!
//! Retention, checkpoints, `flush.ms`, the expiry of producers, and the chores that logs leave behind (syncing a rolled
//! segment, unlinking deleted files). All of it blocks on the disk, so each round runs on a blocking thread; a round of
//! one duty is over before the next begins. An idle broker writes nothing: checkpoints that say the same are not
//! written again. A directory whose disk hangs holds up its own task.

use std::sync::Arc;
use std::time::Duration;

use ottla_base::Clock;
use ottla_storage::dirs::LogDir;
use ottla_storage::{Log, LogDirs, StorageError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How often each duty is done. The names are those of Kafka's broker configuration.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    pub log_retention_check_interval_ms: i64,
    pub log_flush_offset_checkpoint_interval_ms: i64,
    pub log_flush_start_offset_checkpoint_interval_ms: i64,
    pub replica_high_watermark_checkpoint_interval_ms: i64,
    /// How long the first round of retention waits, so that a start is not slowed down.
    pub log_initial_task_delay_ms: i64,
    pub producer_id_expiration_check_interval_ms: i64,
}

impl Default for Intervals {
    fn default() -> Self {
        Self {
            log_retention_check_interval_ms: 300_000,
            log_flush_offset_checkpoint_interval_ms: 60_000,
            log_flush_start_offset_checkpoint_interval_ms: 60_000,
            replica_high_watermark_checkpoint_interval_ms: 5_000,
            log_initial_task_delay_ms: 30_000,
            producer_id_expiration_check_interval_ms: 600_000,
        }
    }
}

/// A running janitor.
pub struct Janitor {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Janitor {
    /// Starts the tasks. `dirs` have been loaded.
    pub fn spawn(dirs: Arc<LogDirs>, clock: Arc<dyn Clock>, intervals: Intervals) -> Self {
        let (stop, stopped) = watch::channel(false);
        let chores_wait: Vec<_> = dirs.dirs().iter().map(|_| Arc::new(Notify::new())).collect();
        let wake = chores_wait.clone();
        let wake = move || wake.iter().for_each(|dir| dir.notify_one());
        dirs.chores().set_wake(Arc::new(wake));
        let tasks = dirs.dirs().iter().zip(chores_wait).map(|(dir, chores_wait)| {
            let rounds = Rounds::new(dirs.clone(), dir.clone(), clock.clone(), intervals);
            tokio::spawn(run(rounds, chores_wait, stopped.clone()))
        });
        let tasks = tasks.collect();
        Self { stop, tasks }
    }

    /// Waits for the rounds under way and ends the tasks. Unlinks that are not due yet are done by the next start.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "the janitor failed");
            }
        }
    }
}

async fn run(mut rounds: Rounds, chores_wait: Arc<Notify>, mut stopped: watch::Receiver<bool>) {
    loop {
        let now_ms = rounds.clock.now_ms();
        let sleep_ms = rounds.next_due_ms().saturating_sub(now_ms).max(0);
        let sleep = Duration::from_millis(u64::try_from(sleep_ms).unwrap_or(0));
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = chores_wait.notified() => {}
            _ = stopped.changed() => return,
        }
        let round = tokio::task::spawn_blocking(move || {
            rounds.work_off();
            rounds
        });
        match round.await {
            Ok(back) => rounds = back,
            Err(error) => {
                tracing::error!(%error, "a round of the janitor failed: logs are no longer cleaned up");
                return;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Duty {
    Retention,
    Checkpoints,
    LogStarts,
    HighWatermarks,
    FlushByTime,
    ProducerExpiry,
    ReleaseCold,
}

/// The duties in a log directory and when each is due next.
struct Rounds {
    dirs: Arc<LogDirs>,
    dir: Arc<LogDir>,
    clock: Arc<dyn Clock>,
    intervals: Intervals,
    due: Vec<(Duty, i64)>,
}

impl Rounds {
    fn new(dirs: Arc<LogDirs>, dir: Arc<LogDir>, clock: Arc<dyn Clock>, intervals: Intervals) -> Self {
        let now_ms = clock.now_ms();
        let first = |delay_ms: i64| now_ms.saturating_add(delay_ms);
        let due = vec![
            (Duty::Retention, first(intervals.log_initial_task_delay_ms)),
            (
                Duty::Checkpoints,
                first(intervals.log_flush_offset_checkpoint_interval_ms),
            ),
            (
                Duty::LogStarts,
                first(intervals.log_flush_start_offset_checkpoint_interval_ms),
            ),
            (
                Duty::HighWatermarks,
                first(intervals.replica_high_watermark_checkpoint_interval_ms),
            ),
            (
                Duty::FlushByTime,
                first(intervals.replica_high_watermark_checkpoint_interval_ms),
            ),
            (
                Duty::ProducerExpiry,
                first(intervals.producer_id_expiration_check_interval_ms),
            ),
            (Duty::ReleaseCold, first(RELEASE_COLD_INTERVAL_MS)),
        ];
        Self {
            dirs,
            dir,
            clock,
            intervals,
            due,
        }
    }

    fn next_due_ms(&self) -> i64 {
        let duties = self.due.iter().map(|(_, due_ms)| *due_ms).min();
        let unlinks = self.dirs.chores().next_unlink_ms(self.dir.disk());
        duties.into_iter().chain(unlinks).min().unwrap_or(i64::MAX)
    }

    fn work_off(&mut self) {
        let now_ms = self.clock.now_ms();
        self.dirs.chores().work_off(self.dir.disk(), now_ms);
        for (duty, due_ms) in std::mem::take(&mut self.due) {
            if due_ms > now_ms {
                self.due.push((duty, due_ms));
                continue;
            }
            self.perform(duty, now_ms);
            let next_ms = now_ms.saturating_add(self.interval_ms(duty).max(1));
            self.due.push((duty, next_ms));
        }
    }

    fn interval_ms(&self, duty: Duty) -> i64 {
        match duty {
            Duty::Retention => self.intervals.log_retention_check_interval_ms,
            Duty::Checkpoints => self.intervals.log_flush_offset_checkpoint_interval_ms,
            Duty::LogStarts => self.intervals.log_flush_start_offset_checkpoint_interval_ms,
            Duty::HighWatermarks => self.intervals.replica_high_watermark_checkpoint_interval_ms,
            Duty::FlushByTime => self.flush_interval_ms(),
            Duty::ProducerExpiry => self.intervals.producer_id_expiration_check_interval_ms,
            Duty::ReleaseCold => RELEASE_COLD_INTERVAL_MS,
        }
    }

    /// As often as the most demanding topic asks for; when none does, only to see whether one does now.
    fn flush_interval_ms(&self) -> i64 {
        let shortest = self.logs().map(|log| log.config().flush_ms).min();
        let idle_ms = self.intervals.replica_high_watermark_checkpoint_interval_ms;
        shortest
            .unwrap_or(i64::MAX)
            .clamp(FLUSH_INTERVAL_MS_MIN, idle_ms.max(FLUSH_INTERVAL_MS_MIN))
    }

    fn perform(&self, duty: Duty, now_ms: i64) {
        match duty {
            // A log that is being cleaned would lose segments under the cleaner's hands, which looks after them itself.
            Duty::Retention => self.each_log("apply retention", |log| match log.is_being_cleaned() {
                true => Ok(()),
                false => log.apply_retention(now_ms).map(drop),
            }),
            Duty::FlushByTime => self.each_log("flush", |log| log.flush_if_due(now_ms)),
            Duty::ProducerExpiry => self.each_log("expire producers", |log| {
                log.expire_producers(now_ms);
                Ok(())
            }),
            Duty::ReleaseCold => self.each_log("release cold segments", |log| {
                log.release_cold();
                Ok(())
            }),
            Duty::Checkpoints => report("write the checkpoints", self.dirs.checkpoint(&self.dir)),
            Duty::LogStarts => report("write the log starts", self.dirs.checkpoint_log_starts(&self.dir)),
            Duty::HighWatermarks => report(
                "write the high watermarks",
                self.dirs.checkpoint_high_watermarks(&self.dir),
            ),
        }
    }

    fn logs(&self) -> impl Iterator<Item = Arc<Log>> {
        let dir = self.dir.id();
        self.dirs
            .logs()
            .into_iter()
            .filter(move |log| log.dir_id() == dir)
    }

    fn each_log(&self, what: &str, act: impl Fn(&Log) -> Result<(), StorageError>) {
        for log in self.logs().filter(|log| !log.is_offline()) {
            if let Err(error) = act(&log) {
                tracing::error!(partition = %log.topic_partition(), %error, "cannot {what}");
            }
        }
    }
}

/// A segment that nobody used for this long gives back its descriptors and maps.
const RELEASE_COLD_INTERVAL_MS: i64 = 120_000;

/// However small `flush.ms` is, the disk is not asked more often than this.
const FLUSH_INTERVAL_MS_MIN: i64 = 20;

fn report(what: &str, result: Result<(), StorageError>) {
    if let Err(error) = result {
        tracing::error!(%error, "cannot {what}");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use ottla_base::{SystemClock, TopicPartition, Uuid};
    use ottla_storage::batch::{BatchBuilder, BatchOptions, ValidBatch};
    use ottla_storage::vfs::{Disk, DiskOp, Faults};
    use ottla_storage::{AppendOrigin, LogConfig};

    use crate::runtime::test_dirs::{self, until};

    fn append(log: &Log, timestamp: i64) {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(timestamp, None, Some(&[7; 400]), &[]);
        let batch = ValidBatch::trusted(&builder.build()).unwrap();
        let info = log
            .append_as_leader(batch, 0, AppendOrigin::Client, timestamp)
            .unwrap();
        log.raise_high_watermark(info.last_offset + 1);
    }

    #[tokio::test]
    async fn logs_are_looked_after_without_being_asked() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = test_dirs::open(dir.path());
        let config = LogConfig {
            segment_bytes: 1000,
            retention_ms: 1000,
            file_delete_delay_ms: 0,
            flush_ms: 20,
            ..LogConfig::default()
        };
        let partition = TopicPartition::new("t", 0);
        let log = dirs
            .create_log(&partition, Uuid::from_u128(5), None, Arc::new(config), 0)
            .unwrap();
        let intervals = Intervals {
            log_retention_check_interval_ms: 20,
            log_flush_offset_checkpoint_interval_ms: 20,
            log_flush_start_offset_checkpoint_interval_ms: 20,
            replica_high_watermark_checkpoint_interval_ms: 20,
            log_initial_task_delay_ms: 0,
            ..Intervals::default()
        };
        let janitor = Janitor::spawn(Arc::clone(&dirs), Arc::new(SystemClock), intervals);
        let now_ms = SystemClock.now_ms();
        for i in 0..10 {
            append(&log, now_ms - 100_000 + i);
        }
        append(&log, now_ms + 100_000);
        until("retention", || log.log_start_offset() == 10).await;
        until("flush.ms", || log.recovery_point() == 11).await;
        let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        until("checkpoints", || {
            text("recovery-point-offset-checkpoint") == "0\n1\nt 0 11\n"
                && text("replication-offset-checkpoint") == "0\n1\nt 0 11\n"
        })
        .await;
        until("unlinking", || {
            let mut names = std::fs::read_dir(log.path())
                .unwrap()
                .map(|e| e.unwrap().file_name());
            !names.any(|name| name.to_string_lossy().ends_with(".deleted"))
        })
        .await;
        janitor.stop().await;
    }

    /// A disk on which nothing can be synced while it is stuck.
    struct Stuck(AtomicBool);

    impl Faults for Stuck {
        fn before(&self, op: DiskOp, _: &Path) -> io::Result<()> {
            while op == DiskOp::Sync && self.0.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_disk_that_hangs_holds_up_its_own_logs_only() {
        let paths = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [good, bad] = paths.each_ref().map(|dir| dir.path());
        let stuck = Arc::new(Stuck(AtomicBool::new(false)));
        let dirs = test_dirs::open_on(&[bad, good], |path| match path == bad {
            true => Disk::with_faults(path, stuck.clone()),
            false => Disk::new(path),
        });
        let config = Arc::new(LogConfig {
            flush_ms: 20,
            ..LogConfig::default()
        });
        let logs: Vec<_> = (0..)
            .zip(dirs.dirs())
            .map(|(n, dir)| {
                let partition = TopicPartition::new("t", n);
                dirs.create_log(&partition, Uuid::from_u128(5), Some(dir.id()), config.clone(), 0)
                    .unwrap()
            })
            .collect();
        let [bad, good] = &logs[..] else { unreachable!() };
        let intervals = Intervals {
            replica_high_watermark_checkpoint_interval_ms: 20,
            ..Intervals::default()
        };
        stuck.0.store(true, Ordering::Release);
        let janitor = Janitor::spawn(Arc::clone(&dirs), Arc::new(SystemClock), intervals);
        for end in 1..4 {
            logs.iter().for_each(|log| append(log, 0));
            until("flush.ms of the good disk", || good.recovery_point() == end).await;
        }
        assert_eq!(bad.recovery_point(), 0);
        stuck.0.store(false, Ordering::Release);
        until("flush.ms of the other", || bad.recovery_point() == 3).await;
        janitor.stop().await;
    }
}
