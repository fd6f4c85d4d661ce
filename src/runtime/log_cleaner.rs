//! The threads that compact logs: each takes the log that needs it most, cleans it, and looks for the next; when there is none
//! it rests for `log.cleaner.backoff.ms`.
//!
//! The settings are read anew before each log, so that all of them can be changed while the node runs. A log that cannot
//! be cleaned is marked and told of once; a cleaning that panics costs that log its cleaning and nothing else.

mod metrics;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ottla_base::Clock;
use ottla_base::config::Settings;
use ottla_storage::LogDirs;
use ottla_storage::cleaner::{self, CleanerMemory, Pace};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use metrics::{CleanerFigures, CleanerMetrics, CleanerPass, Uncleanable};

/// `log.cleaner.*`, as it is in force at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerSettings {
    pub threads: usize,
    pub backoff_ms: u64,
    pub dedupe_buffer_bytes: usize,
    pub load_factor: f64,
    pub io_buffer_bytes: usize,
    pub io_bytes_per_second_max: f64,
}

impl CleanerSettings {
    pub fn of(config: &impl Settings) -> Self {
        let bytes = |value: i64| usize::try_from(value).unwrap_or(0);
        Self {
            threads: usize::try_from(config.i32("log.cleaner.threads")).unwrap_or(0),
            backoff_ms: config.i64("log.cleaner.backoff.ms").max(1).unsigned_abs(),
            dedupe_buffer_bytes: bytes(config.i64("log.cleaner.dedupe.buffer.size")),
            load_factor: config.f64("log.cleaner.io.buffer.load.factor"),
            io_buffer_bytes: bytes(config.i32("log.cleaner.io.buffer.size").into()),
            io_bytes_per_second_max: config.f64("log.cleaner.io.max.bytes.per.second"),
        }
    }

    /// What one thread may use. A key map of Kafka holds at most 2^31 bytes, however large the buffer is.
    fn memory(&self) -> CleanerMemory {
        let threads = self.threads.max(1);
        CleanerMemory {
            dedupe_buffer_bytes: (self.dedupe_buffer_bytes / threads).min(DEDUPE_BUFFER_BYTES_MAX),
            load_factor: self.load_factor,
            io_buffer_bytes: self.io_buffer_bytes / threads,
        }
    }
}

const DEDUPE_BUFFER_BYTES_MAX: usize = i32::MAX as usize;

/// Reads the settings in force.
pub type ReadSettings = Arc<dyn Fn() -> CleanerSettings + Send + Sync>;

/// Running cleaner threads.
pub struct LogCleaner {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    shared: Arc<Shared>,
}

/// What the threads share.
struct Shared {
    dirs: Arc<LogDirs>,
    clock: Arc<dyn Clock>,
    settings: ReadSettings,
    throttle: Throttle,
    metrics: CleanerMetrics,
    is_stopping: AtomicBool,
}

impl LogCleaner {
    /// Starts the threads. `dirs` have been loaded.
    pub fn spawn(dirs: Arc<LogDirs>, clock: Arc<dyn Clock>, settings: ReadSettings) -> Self {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            dirs,
            clock,
            settings,
            throttle: Throttle::default(),
            metrics: CleanerMetrics::default(),
            is_stopping: AtomicBool::new(false),
        });
        let task = tokio::spawn(keep_staffed(Arc::clone(&shared), stopped));
        Self { stop, task, shared }
    }

    /// What Kafka's metrics of its cleaner would say now.
    pub fn figures(&self) -> CleanerFigures {
        self.shared
            .metrics
            .figures(&self.shared.dirs, self.shared.clock.now_ms())
    }

    /// Interrupts the cleanings under way, and waits for their threads.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the log cleaner failed");
        }
    }
}

/// Keeps as many workers at it as `log.cleaner.threads` says. Those that are too many end by themselves.
async fn keep_staffed(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut workers = JoinSet::new();
    loop {
        let settings = (shared.settings)();
        shared.metrics.threads_wanted(settings.threads);
        for number in workers.len()..settings.threads {
            workers.spawn(work(Arc::clone(&shared), number, stopped.clone()));
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(settings.backoff_ms)) => {}
            _ = workers.join_next(), if !workers.is_empty() => {}
            _ = stopped.changed() => break,
        }
    }
    shared.is_stopping.store(true, Ordering::Release);
    while workers.join_next().await.is_some() {}
}

async fn work(shared: Arc<Shared>, number: usize, mut stopped: watch::Receiver<bool>) {
    let _at_work = shared.metrics.thread_at_work();
    loop {
        let settings = (shared.settings)();
        if number >= settings.threads || *stopped.borrow() {
            return;
        }
        let round = tokio::task::spawn_blocking({
            let shared = Arc::clone(&shared);
            move || shared.clean_one(number, &settings)
        });
        let found_work = round.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a cleaning failed: its log is left as it is until the next start");
            false
        });
        if found_work {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(settings.backoff_ms)) => {}
            _ = stopped.changed() => return,
        }
    }
}

impl Shared {
    /// Cleans one log; false when there was nothing to do.
    fn clean_one(&self, thread: usize, settings: &CleanerSettings) -> bool {
        self.retain();
        let found = cleaner::next_log(&self.dirs, self.clock.now_ms());
        self.metrics.looked(&found);
        let Some(job) = found.job else {
            return false;
        };
        let begun = Instant::now();
        let pace = WithinLimits {
            shared: self,
            bytes_per_second_max: settings.io_bytes_per_second_max,
        };
        let cleaned = job.clean(&self.dirs, &settings.memory(), &pace, self.clock.now_ms());
        if let Some(cleaned) = &cleaned {
            let pass = CleanerPass {
                bytes_read: cleaned.bytes_read,
                bytes_written: cleaned.bytes_written,
                elapsed: begun.elapsed(),
            };
            tracing::info!(
                partition = %job.log().topic_partition(),
                from = cleaned.first_dirty,
                to = cleaned.cleaned_to,
                bytes_indexed = cleaned.bytes_indexed,
                bytes_read = pass.bytes_read,
                bytes_written = pass.bytes_written,
                reduction_percent = 100_u64.saturating_sub(pass.recopy_percent()),
                elapsed_ms = pass.elapsed.as_millis(),
                mb_per_s = %format_args!("{:.1}", pass.mb_per_s()),
                "cleaned"
            );
            self.metrics.cleaned(thread, pass);
        }
        cleaned.is_some()
    }

    /// Compacted logs lose whole segments here too, as often as they are looked at: what lies before the log start, and
    /// with `compact,delete` what is too old or too much.
    fn retain(&self) {
        let now_ms = self.clock.now_ms();
        for log in self.dirs.logs() {
            if !log.config().cleanup_compact || log.is_offline() || log.is_being_cleaned() {
                continue;
            }
            if let Err(error) = log.apply_retention(now_ms) {
                tracing::error!(partition = %log.topic_partition(), %error, "cannot apply retention");
            }
        }
    }
}

/// `log.cleaner.io.max.bytes.per.second`, over all threads.
#[derive(Default)]
struct Throttle {
    /// When the bytes so far are paid for.
    paid_until: Mutex<Option<Instant>>,
}

impl Throttle {
    /// How long whoever has moved `bytes` has to wait.
    fn wait_for(&self, bytes: u64, bytes_per_second_max: f64) -> Duration {
        let cost = Duration::try_from_secs_f64(bytes as f64 / bytes_per_second_max.max(1.0));
        let now = Instant::now();
        let mut paid_until = self.paid_until.lock();
        let from = paid_until.map_or(now, |until| until.max(now));
        let until = from + cost.unwrap_or(Duration::ZERO);
        *paid_until = Some(until);
        until.saturating_duration_since(now)
    }
}

struct WithinLimits<'a> {
    shared: &'a Shared,
    bytes_per_second_max: f64,
}

/// Sleeps shorter than this are saved up: a thread does not wake to the microsecond.
const WAIT_MIN: Duration = Duration::from_millis(5);
/// A cleaning that waits looks this often whether it has to stop.
const WAIT_MAX: Duration = Duration::from_millis(100);

impl Pace for WithinLimits<'_> {
    fn moved(&self, bytes: u64) -> bool {
        let is_stopping = || self.shared.is_stopping.load(Ordering::Acquire);
        if self.bytes_per_second_max >= UNLIMITED {
            return !is_stopping();
        }
        let wait = self.shared.throttle.wait_for(bytes, self.bytes_per_second_max);
        let until = Instant::now() + wait;
        if wait >= WAIT_MIN {
            while !is_stopping() && Instant::now() < until {
                std::thread::sleep(WAIT_MAX.min(until.saturating_duration_since(Instant::now())));
            }
        }
        !is_stopping()
    }
}

/// More bytes a second than any machine moves.
const UNLIMITED: f64 = 1e15;

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_base::{SystemClock, TopicPartition, Uuid};
    use ottla_storage::batch::{BatchBuilder, BatchOptions, ValidBatch};
    use ottla_storage::{AppendOrigin, Log, LogConfig};

    use crate::runtime::test_dirs::{self, until};

    /// A compacted log with many values of one key.
    fn filled(dirs: &LogDirs, topic: &str) -> Arc<Log> {
        let config = LogConfig {
            segment_bytes: 1000,
            cleanup_compact: true,
            cleanup_delete: false,
            ..LogConfig::default()
        };
        let partition = TopicPartition::new(topic, 0);
        let log = dirs
            .create_log(&partition, Uuid::new_v4(), None, Arc::new(config), 0)
            .unwrap();
        for _ in 0..20 {
            let mut builder = BatchBuilder::new(BatchOptions::default());
            builder.append(1, Some(b"key"), Some(&[7; 200]), &[]);
            let batch = ValidBatch::trusted(&builder.build()).unwrap();
            let info = log.append_as_leader(batch, 0, AppendOrigin::Client, 1).unwrap();
            log.raise_high_watermark(info.last_offset + 1);
        }
        log
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_cleaned_does_not_keep_the_others_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = test_dirs::open(dir.path());
        let (damaged, sound) = (filled(&dirs, "damaged"), filled(&dirs, "sound"));
        let file = damaged.path().join(format!("{:020}.log", 0));
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let settings = CleanerSettings {
            threads: 2,
            backoff_ms: 10,
            dedupe_buffer_bytes: 1 << 20,
            load_factor: 0.9,
            io_buffer_bytes: 1 << 16,
            io_bytes_per_second_max: f64::MAX,
        };
        let (before, end) = (sound.size_bytes(), sound.segments().last().unwrap().base_offset());
        let cleaner = LogCleaner::spawn(
            Arc::clone(&dirs),
            Arc::new(SystemClock),
            Arc::new(move || settings),
        );
        let is_done =
            || damaged.is_uncleanable() && sound.cleaned_to() == Some(end) && !sound.is_being_cleaned();
        until("one is cleaned, one cannot be", is_done).await;
        let figures = cleaner.figures();
        cleaner.stop().await;
        let uncleanable = Uncleanable {
            dir: dir.path().to_owned(),
            partitions: 1,
            bytes: damaged.size_bytes() - damaged.segments().last().unwrap().size_bytes(),
        };
        assert_eq!(figures.uncleanable, [uncleanable]);
        assert!(figures.cleaner_recopy_percent < 20 && figures.dead_thread_count == 0);
        assert!(damaged.is_uncleanable());
        assert_eq!((damaged.cleaned_to(), sound.cleaned_to()), (None, Some(end)));
        assert!(sound.size_bytes() < before / 2);
        let checkpoint = std::fs::read_to_string(dir.path().join("cleaner-offset-checkpoint")).unwrap();
        assert_eq!(checkpoint, format!("0\n1\nsound 0 {end}\n"));
    }

    #[test]
    fn bytes_are_paid_for_by_all_threads_together() {
        let throttle = Throttle::default();
        // The clock goes on between the two, on a busy machine by more than a moment.
        assert!(throttle.wait_for(1_000_000, 1e3) > Duration::from_secs(990));
        assert!(throttle.wait_for(1_000_000, 1e3) > Duration::from_secs(1980));
        assert!(Throttle::default().wait_for(1000, f64::MAX) < Duration::from_millis(1));
    }

    #[test]
    fn threads_share_the_memory() {
        let settings = CleanerSettings {
            threads: 4,
            backoff_ms: 1,
            dedupe_buffer_bytes: 400,
            load_factor: 0.9,
            io_buffer_bytes: 80,
            io_bytes_per_second_max: f64::MAX,
        };
        let memory = settings.memory();
        assert_eq!((memory.dedupe_buffer_bytes, memory.io_buffer_bytes), (100, 20));
    }
}
