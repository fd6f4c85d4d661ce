//! The clean stop of all logs.

use std::sync::Arc;

use super::{LogDir, LogDirs, clean_shutdown, load_all};
use crate::error::Result;
use crate::log::Log;
use crate::vfs::SYNC_ALL_FROM;

/// How many logs of a directory are closed at a time.
const CLOSE_THREADS: usize = 4;

impl LogDirs {
    /// Flushes and closes every log, writes the checkpoints and the markers of a clean stop, and lets go of the locks.
    /// A directory in which anything failed gets no marker: it will be recovered.
    pub fn close_cleanly(&self, broker_epoch: i64) -> Result<()> {
        let mut first_error = None;
        for dir in &self.dirs {
            if let Err(error) = self.close_dir(dir, broker_epoch) {
                tracing::error!(log_dir = %dir.path().display(), %error, "not stopped cleanly");
                first_error.get_or_insert(error);
            }
            dir.unlock();
        }
        first_error.map_or(Ok(()), Err)
    }

    fn close_dir(&self, dir: &LogDir, broker_epoch: i64) -> Result<()> {
        dir.disk().check()?;
        self.close_logs(dir)?;
        self.checkpoint_dir(dir)?;
        if dir.is_loaded() {
            clean_shutdown::write(dir.disk(), broker_epoch)?;
        }
        Ok(())
    }

    fn close_logs(&self, dir: &LogDir) -> Result<()> {
        let mut logs = self.logs();
        logs.retain(|log| log.dir_id() == dir.id());
        let sealed = for_each(&logs, Log::seal)?;
        let waiting: Vec<_> = logs.iter().zip(&sealed).filter(|(_, waits)| **waits).collect();
        let waiting: Vec<Arc<Log>> = waiting.into_iter().map(|(log, _)| Arc::clone(log)).collect();
        if waiting.len() < SYNC_ALL_FROM {
            for_each(&waiting, Log::sync_sealed)?;
        } else {
            for_each(&waiting, Log::prepare_sync_of_all)?;
            dir.disk().sync_all()?;
            waiting.iter().for_each(|log| log.note_sync_of_all());
        }
        logs.iter().for_each(|log| log.release());
        Ok(())
    }
}

/// Does `work` for all logs, several at a time; what it returned, in their order.
fn for_each<T: Send>(logs: &[Arc<Log>], work: impl Fn(&Log) -> Result<T> + Sync) -> Result<Vec<T>> {
    let chunk = logs.len().div_ceil(CLOSE_THREADS).max(1);
    let outcomes: Vec<Result<Vec<T>>> = std::thread::scope(|scope| {
        let work = &work;
        let of_chunk = |logs: &'_ [Arc<Log>]| logs.iter().map(|log| work(log)).collect();
        let threads: Vec<_> = logs
            .chunks(chunk)
            .map(|logs| scope.spawn(move || of_chunk(logs)))
            .collect();
        threads.into_iter().map(load_all::join).collect()
    });
    Ok(outcomes
        .into_iter()
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect())
}
