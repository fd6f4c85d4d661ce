//! The thread's state and its round: take what is queued, append, commit, publish, answer, and see what is due.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ottla_base::config::{BrokerConfig, Settings as _};
use ottla_base::{Clock, ErrorCode};
use ottla_metadata::records::{
    BeginTransactionRecord, EndTransactionRecord, NoOpRecord, RegisterControllerRecord,
};
use ottla_metadata::{Controller, Image, Outcome, Problem, Record, Replay};
use ottla_storage::Log;
use ottla_storage::batch::control::ControlRecord;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::cutting::cut;
use super::election::bootstrap_records;
use super::publishing::Publishing;
use super::snapshots::Snapshots;
use super::{Command, Job, OpenError, Options, Reply};
use crate::runtime::metadata_log::store::{Loaded, MetadataLog, MetadataLogError, apply_control};

/// Commands that share one fsync.
const COMMANDS_PER_ROUND_MAX: usize = 256;
/// How often silent brokers are looked for.
const FENCING_INTERVAL_MS: i64 = 1_000;

pub(super) struct Active {
    log: MetadataLog,
    replay: Replay,
    controller: Controller,
    epoch: i32,
    clock: Arc<dyn Clock>,
    snapshots: Snapshots,
    idle_ms: i64,
    last_append_ms: i64,
    chores: Vec<Chore>,
}

/// Something that the controller does by itself.
struct Chore {
    kind: ChoreKind,
    interval_ms: i64,
    due_ms: i64,
}

#[derive(Clone, Copy)]
enum ChoreKind {
    FenceStaleBrokers,
    BalanceLeaders,
    ElectUncleanLeaders,
    CleanLog,
}

impl Active {
    pub(super) fn new(
        log: MetadataLog,
        loaded: Loaded,
        controller: Controller,
        epoch: i32,
        options: &Options,
    ) -> Self {
        let config = &options.config;
        let now_ms = options.clock.now_ms();
        Self {
            snapshots: Snapshots::new(config, log.dir(), &loaded, now_ms),
            log,
            replay: loaded.replay,
            controller,
            epoch,
            clock: Arc::clone(&options.clock),
            idle_ms: config.i32("metadata.max.idle.interval.ms").into(),
            last_append_ms: now_ms,
            chores: chores(config, now_ms),
        }
    }

    pub(super) fn log(&self) -> &Arc<Log> {
        self.log.log()
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(super) fn image(&self) -> Arc<Image> {
        Arc::new(self.replay.image().clone())
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.replay.in_transaction()
    }

    pub(super) fn activate(&mut self, now_ms: i64) {
        self.controller.activate(self.replay.image(), now_ms);
    }

    pub(super) fn commit_first(&mut self) -> Result<(), MetadataLogError> {
        self.log.commit()
    }

    /// The first records of an empty log.
    pub(super) fn bootstrap(&mut self, path: &Path, now_ms: i64) -> Result<(), OpenError> {
        let bootstrap = bootstrap_records(path)?;
        let outcome = self.controller.bootstrap(self.replay.image(), bootstrap)?;
        self.append(&outcome.records, now_ms)?;
        Ok(())
    }

    pub(super) fn register_controller(
        &mut self,
        registration: RegisterControllerRecord,
        now_ms: i64,
    ) -> Result<(), OpenError> {
        let outcome = self
            .controller
            .register_controller(self.replay.image(), registration);
        self.append(&outcome.records, now_ms)?;
        Ok(())
    }

    /// Appends one batch, and applies it to the image that the next operation sees.
    pub(super) fn append(&mut self, records: &[Record], now_ms: i64) -> Result<(), MetadataLogError> {
        if records.is_empty() {
            return Ok(());
        }
        let version = version_for(self.replay.image(), records);
        let appended = self.log.append(records, version, self.epoch, now_ms)?;
        for (offset, record) in (appended.first_offset..).zip(records) {
            let applied = self.replay.apply(record, offset, self.epoch);
            applied.map_err(|source| MetadataLogError::Apply { offset, source })?;
        }
        self.note_append(appended.size_bytes, now_ms);
        Ok(())
    }

    pub(super) fn append_control(
        &mut self,
        records: &[ControlRecord],
        now_ms: i64,
    ) -> Result<(), MetadataLogError> {
        let appended = self.log.append_control(records, self.epoch, now_ms)?;
        for (offset, record) in (appended.first_offset..).zip(records) {
            apply_control(self.replay.image_mut(), record);
            self.replay.advance(offset, self.epoch);
        }
        self.note_append(appended.size_bytes, now_ms);
        Ok(())
    }

    /// Serves commands until it is told to stop or the log fails.
    pub(super) fn run(
        mut self,
        commands: &mut mpsc::Receiver<Command>,
        mut publishing: Publishing,
        runtime: &tokio::runtime::Handle,
    ) {
        let image = self.image();
        self.replay.take_delta();
        let everything = ottla_metadata::Delta::of_everything(&image);
        publishing.publish(Some((image, everything)), Vec::new(), self.clock.now_ms());
        loop {
            let wait = Duration::from_millis(self.wait_ms());
            let received = runtime.block_on(async { tokio::time::timeout(wait, commands.recv()).await });
            let first = match received {
                Ok(Some(command)) => Some(command),
                // Every handle is gone: nobody can ask for anything any more.
                Ok(None) => return self.close(publishing, None),
                Err(_) => None,
            };
            match self.round(first, commands, &mut publishing) {
                Ok(None) if publishing.has_died() => {
                    error!("the thread that publishes metadata died: the controller stops");
                    return self.close(publishing, None);
                }
                Ok(None) => {}
                Ok(Some(stopped)) => return self.close(publishing, Some(stopped)),
                Err(error) => {
                    error!(%error, "the metadata log failed: the controller stops");
                    return;
                }
            }
        }
    }

    /// One fsync's worth of work. Returns whom to tell when a stop was asked for.
    fn round(
        &mut self,
        first: Option<Command>,
        commands: &mut mpsc::Receiver<Command>,
        publishing: &mut Publishing,
    ) -> Result<Option<oneshot::Sender<()>>, MetadataLogError> {
        let before = self.replay.image().offset;
        let mut replies = Vec::new();
        let mut stop = None;
        let mut next = first;
        while let Some(command) = next {
            match command {
                Command::Write(job) => replies.push(self.write(job)?),
                Command::Stop(sender) => {
                    stop = Some(sender);
                    break;
                }
            }
            next = match replies.len() {
                COMMANDS_PER_ROUND_MAX.. => None,
                _ => commands.try_recv().ok(),
            };
        }
        self.do_chores()?;
        let mut news = None;
        if self.replay.image().offset != before {
            self.log.commit()?;
            news = Some((self.image(), self.replay.take_delta()));
        }
        if news.is_some() || !replies.is_empty() {
            publishing.publish(news, replies, self.clock.now_ms());
        }
        publishing.answer_late(self.clock.now_ms());
        self.write_no_op_if_idle(publishing)?;
        self.snapshots
            .maintain(&self.log, &self.replay, self.clock.now_ms());
        Ok(stop)
    }

    /// Runs one operation. Records that cannot be applied or written are never appended: then the operation has failed, and not
    /// the log.
    fn write(&mut self, job: Job) -> Result<(Reply, Result<(), ErrorCode>), MetadataLogError> {
        let now_ms = self.clock.now_ms();
        let (records, reply) = job(&mut self.controller, self.replay.image(), now_ms);
        let mut trial = self.replay.image().clone();
        let mut ignored = ottla_metadata::Delta::default();
        let applied = records
            .iter()
            .try_for_each(|record| trial.apply(record, trial.offset + 1, &mut ignored));
        if let Err(error) = applied {
            warn!(%error, "an operation of the controller made records that contradict the image");
            return Ok((reply, Err(ErrorCode::UnknownServerError)));
        }
        match cut(&records, self.replay.image().features.metadata_version()) {
            Ok(batches) => self.append_all(&batches, now_ms)?,
            Err(error) => {
                warn!(%error, "an operation of the controller made a record that cannot be written");
                return Ok((reply, Err(ErrorCode::InvalidRequest)));
            }
        }
        Ok((reply, Ok(())))
    }

    /// Appends what the controller does by itself.
    fn append_own(&mut self, records: &[Record], now_ms: i64) -> Result<(), MetadataLogError> {
        let batches = cut(records, self.replay.image().features.metadata_version())?;
        self.append_all(&batches, now_ms)
    }

    /// What does not fit into one batch becomes a transaction, so that it still happens whole or not at all.
    fn append_all(&mut self, batches: &[&[Record]], now_ms: i64) -> Result<(), MetadataLogError> {
        let version = self.replay.image().features.metadata_version();
        let in_transaction = batches.len() > 1 && version.has_transactions();
        if in_transaction {
            self.append(&[BeginTransactionRecord { name: None }.into()], now_ms)?;
        }
        for batch in batches {
            self.append(batch, now_ms)?;
        }
        if in_transaction {
            self.append(&[EndTransactionRecord {}.into()], now_ms)?;
        }
        Ok(())
    }

    fn do_chores(&mut self) -> Result<(), MetadataLogError> {
        let now_ms = self.clock.now_ms();
        let mut due = Vec::new();
        for chore in self.chores.iter_mut().filter(|chore| chore.due_ms <= now_ms) {
            chore.due_ms = now_ms + chore.interval_ms;
            due.push(chore.kind);
        }
        for kind in due {
            match kind {
                ChoreKind::FenceStaleBrokers => self.fence_stale_brokers(now_ms)?,
                ChoreKind::BalanceLeaders => self.sweep(now_ms, Controller::balance_leaders)?,
                ChoreKind::ElectUncleanLeaders => {
                    self.sweep(now_ms, Controller::elect_unclean_where_allowed)?;
                }
                ChoreKind::CleanLog => self.snapshots.clean(&self.log, now_ms),
            }
        }
        Ok(())
    }

    fn fence_stale_brokers(&mut self, now_ms: i64) -> Result<(), MetadataLogError> {
        loop {
            match self.controller.fence_stale(self.replay.image(), now_ms) {
                Ok(Outcome {
                    records,
                    response: Some(broker_id),
                }) => {
                    warn!(broker_id, "a broker has not been heard of and is fenced");
                    self.append_own(&records, now_ms)?;
                }
                Ok(Outcome { response: None, .. }) => return Ok(()),
                Err(Problem { message, .. }) => {
                    warn!(message, "a silent broker could not be fenced");
                    return Ok(());
                }
            }
        }
    }

    fn sweep(
        &mut self,
        now_ms: i64,
        pass: impl Fn(&Controller, &Image) -> Outcome<bool>,
    ) -> Result<(), MetadataLogError> {
        loop {
            let Outcome { records, response } = pass(&self.controller, self.replay.image());
            let progressed = !records.is_empty();
            self.append_own(&records, now_ms)?;
            if !response || !progressed {
                return Ok(());
            }
        }
    }

    /// Every node sees by it that it keeps up. It is the one record that needs no fsync.
    fn write_no_op_if_idle(&mut self, publishing: &mut Publishing) -> Result<(), MetadataLogError> {
        let now_ms = self.clock.now_ms();
        if self.idle_ms <= 0 || now_ms - self.last_append_ms < self.idle_ms {
            return Ok(());
        }
        self.append(&[NoOpRecord {}.into()], now_ms)?;
        self.log.commit_in_memory();
        let news = Some((self.image(), self.replay.take_delta()));
        publishing.publish(news, Vec::new(), now_ms);
        Ok(())
    }

    fn note_append(&mut self, size_bytes: u64, now_ms: i64) {
        self.last_append_ms = now_ms;
        self.snapshots.note_append(size_bytes, now_ms);
    }

    /// Until the next thing is due by itself.
    fn wait_ms(&self) -> u64 {
        let now_ms = self.clock.now_ms();
        let idle_due = (self.idle_ms > 0).then_some(self.last_append_ms + self.idle_ms);
        let due = self.chores.iter().map(|chore| chore.due_ms).chain(idle_due);
        let wait_ms = due.min().map_or(FENCING_INTERVAL_MS, |due| due - now_ms);
        u64::try_from(wait_ms.clamp(1, FENCING_INTERVAL_MS)).unwrap_or(1)
    }

    fn close(mut self, publishing: Publishing, stopped: Option<oneshot::Sender<()>>) {
        publishing.finish();
        self.snapshots.wait();
        if let Err(error) = self.log.commit().and_then(|()| self.log.close()) {
            error!(%error, "the metadata log could not be closed");
        } else {
            info!(
                epoch = self.epoch,
                offset = self.replay.image().offset,
                "the controller has stopped"
            );
        }
        if let Some(stopped) = stopped {
            let _ = stopped.send(());
        }
    }
}

/// The records that raise or lower the metadata version are themselves written for the lower one.
fn version_for(image: &Image, records: &[Record]) -> ottla_metadata::MetadataVersion {
    let now = image.features.metadata_version();
    if !image.features.is_empty() {
        return now;
    }
    // The very first records name the version that those behind them are written for.
    let named = records.iter().find_map(|record| match record {
        Record::FeatureLevel(feature) if feature.name == ottla_metadata::features::METADATA_VERSION => {
            Some(ottla_metadata::MetadataVersion(feature.feature_level))
        }
        _ => None,
    });
    named.unwrap_or(now)
}

fn chores(config: &BrokerConfig, now_ms: i64) -> Vec<Chore> {
    let chore = |kind, interval_ms: i64| Chore {
        kind,
        interval_ms,
        due_ms: now_ms + interval_ms,
    };
    let balance_ms = config.i64("leader.imbalance.check.interval.seconds") * 1000;
    let unclean_ms = config.i64("unclean.leader.election.interval.ms");
    let mut chores = vec![
        chore(ChoreKind::FenceStaleBrokers, FENCING_INTERVAL_MS),
        chore(ChoreKind::ElectUncleanLeaders, unclean_ms),
        chore(ChoreKind::CleanLog, super::snapshots::CLEANING_INTERVAL_MS),
    ];
    if config.bool("auto.leader.rebalance.enable") {
        chores.push(chore(ChoreKind::BalanceLeaders, balance_ms));
    }
    chores
}
