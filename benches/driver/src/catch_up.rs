//! A consumer that reads an old log from the disk, beside traffic that has nothing to do with it. What is told is how the traffic
//! fared.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::consume::Reader;
use crate::process::Work;
use crate::produce::Shape;
use crate::target::Target;

#[derive(Args)]
pub struct CatchUpOptions {
    /// Of the traffic; at a rate.
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
    /// The log that is read, again and again, from the beginning.
    #[arg(long)]
    cold_topic: String,
    /// Its directory: before each reading the page cache is asked to forget the files.
    #[arg(long)]
    cold_dir: PathBuf,
    /// Of one answer.
    #[arg(long, default_value_t = 1 << 20)]
    max_bytes: i32,
}

pub async fn run(options: CatchUpOptions) -> Result<()> {
    options.shape.prepare(&options.target).await?;
    forget(&options.cold_dir)?;
    let is_over = AtomicBool::new(false);
    let meter = options.target.broker.meter()?;
    let (latencies, cold) = thread::scope(|scope| {
        let reader = scope.spawn(|| read_cold(&options, &is_over));
        let latencies = options.shape.produce_and_follow(&options.target);
        is_over.store(true, Ordering::Relaxed);
        let cold = reader.join().map_err(|_| anyhow!("the consumer panicked"))?;
        Ok::<_, anyhow::Error>((latencies?, cold?))
    })?;
    if cold.bytes == 0 {
        bail!("{} is empty", options.cold_topic);
    }
    let work = Work {
        bytes: cold.bytes,
        ..options.shape.work(latencies)
    };
    meter.end("catch-up", work)
}

fn read_cold(options: &CatchUpOptions, is_over: &AtomicBool) -> Result<Work> {
    let bootstrap = &options.target.broker.bootstrap;
    let mut reader = Reader::open(bootstrap, &options.cold_topic, options.max_bytes)?;
    let mut work = Work::default();
    while !is_over.load(Ordering::Relaxed) {
        let received = reader.fetch()?;
        work.bytes += received as u64;
        work.operations += 1;
        if reader.is_at_end() {
            if work.bytes == 0 {
                break;
            }
            forget(&options.cold_dir)?;
            reader.begin_again();
        }
    }
    Ok(work)
}

/// The page cache keeps what has not been written yet, so that is written first.
fn forget(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("{}", dir.display()))? {
        let file = File::open(entry?.path())?;
        file.sync_data()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    }
    Ok(())
}
