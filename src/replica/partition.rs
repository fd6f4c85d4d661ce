//! One partition on this node: its log, whether this node leads it, and who waits for it to move.
//!
//! Locks: `role` is read for every append and read, and written when the cluster's metadata says so; inside it only the
//! log's own lock and the ISR's are taken, and nobody awaits while holding it. An append under the read half can therefore
//! not be overtaken by a change of leadership. What takes the log's lock may wait for the disk: it goes through the lane of
//! the log's directory ([`super::lanes`]).

use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_base::planted::{self, Bug};
use ottla_base::{ErrorCode, TopicIdPartition, TopicPartition};
use ottla_metadata::image;
use ottla_storage::batch::ValidBatch;
use ottla_storage::{
    AppendInfo, AppendOrigin, Log, ProducerSummary, ReadBound, ReadResult, TransactionStart,
    VerificationGuard,
};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::error::ReplicaError;
use super::group_commit::{GroupCommit, Syncers};
use super::isr::Isr;
use super::lanes::{Lanes, Turn};
use super::waiters::{Registration, Waiters};

/// "The request does not say which leader epoch it knows."
pub const NO_EPOCH: i32 = -1;

pub struct Partition {
    id: TopicIdPartition,
    name: TopicPartition,
    node_id: i32,
    /// Changes when the replica has moved to another log directory.
    log: ArcSwap<Log>,
    role: RwLock<Role>,
    waiters: Arc<Waiters>,
    commits: GroupCommit,
    threads: DiskThreads,
}

/// The threads that do what may wait for a disk.
#[derive(Clone)]
pub(super) struct DiskThreads {
    pub lanes: Arc<Lanes>,
    pub syncers: Arc<Syncers>,
}

/// What this node is to the partition.
enum Role {
    /// Before the first metadata, or while the partition has no leader.
    Idle {
        epoch: i32,
    },
    /// The replica was taken from this node, or its topic deleted.
    Gone,
    Follower {
        epoch: i32,
    },
    Leader(Leadership),
}

struct Leadership {
    epoch: i32,
    partition_epoch: i32,
    /// The log end when the leadership began.
    epoch_start: i64,
    replica_count: usize,
    isr: Mutex<Isr>,
}

impl Role {
    fn epoch(&self) -> i32 {
        match self {
            Self::Idle { epoch } | Self::Follower { epoch } => *epoch,
            Self::Leader(leadership) => leadership.epoch,
            Self::Gone => i32::MAX,
        }
    }

    fn leadership(&self) -> Result<&Leadership, ReplicaError> {
        match self {
            Self::Leader(leadership) => Ok(leadership),
            Self::Gone => Err(ReplicaError::UnknownPartition),
            Self::Idle { .. } | Self::Follower { .. } => Err(ReplicaError::NotLeader),
        }
    }
}

/// Whether an append wants all in-sync replicas to have it, and so wants enough of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    Leader,
    All,
}

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    pub offset: i64,
    pub max_bytes: usize,
    pub bound: ReadBound,
    pub min_one_batch: bool,
    pub current_leader_epoch: i32,
    /// The epoch of the reader's last batch: where it differs from this log's history, the reader must truncate.
    pub last_fetched_epoch: i32,
    pub leader_only: bool,
}

/// What a reader gets: data, or the point from which its own log differs.
#[derive(Debug)]
pub struct PartitionRead {
    pub result: ReadResult,
    pub diverging_epoch: Option<(i32, i64)>,
    /// The data that is there lies in more than the one segment that was read: waiting for more is pointless.
    pub has_more_behind: bool,
}

impl Partition {
    pub(super) fn new(id: TopicIdPartition, node_id: i32, log: Arc<Log>, threads: DiskThreads) -> Arc<Self> {
        Arc::new(Self {
            id,
            name: log.topic_partition().clone(),
            node_id,
            log: ArcSwap::new(log),
            role: RwLock::new(Role::Idle { epoch: NO_EPOCH }),
            waiters: Arc::new(Waiters::default()),
            commits: GroupCommit::default(),
            threads,
        })
    }

    pub fn id(&self) -> TopicIdPartition {
        self.id
    }

    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    pub fn log(&self) -> Arc<Log> {
        self.log.load_full()
    }

    pub fn leader_epoch(&self) -> i32 {
        self.look().epoch()
    }

    pub fn is_leader(&self) -> bool {
        self.look().leadership().is_ok()
    }

    /// Takes in what the metadata says of the partition. A state older than the one at hand changes nothing.
    pub(super) fn apply(&self, state: &image::Partition) -> Result<(), ReplicaError> {
        let mut role = self.role.write();
        if state.leader_epoch < role.epoch() {
            return Ok(());
        }
        if state.leader != self.node_id {
            let epoch = state.leader_epoch;
            *role = if state.has_leader() {
                Role::Follower { epoch }
            } else {
                Role::Idle { epoch }
            };
        } else if let Role::Leader(leadership) = &mut *role
            && leadership.epoch == state.leader_epoch
        {
            if state.partition_epoch >= leadership.partition_epoch {
                let isr = leadership.isr.get_mut();
                *isr = isr.with_members(&state.isr);
                leadership.partition_epoch = state.partition_epoch;
                leadership.replica_count = state.replicas.len();
            }
        } else {
            *role = Role::Leader(self.lead(state)?);
        }
        if let Role::Leader(leadership) = &*role
            && !planted::strikes(Bug::WatermarkForgotten)
        {
            self.raise_high_watermark(leadership);
        }
        drop(role);
        self.waiters.wake();
        Ok(())
    }

    fn lead(&self, state: &image::Partition) -> Result<Leadership, ReplicaError> {
        let log = self.log.load();
        let epoch_start = log.log_end_offset();
        if log.settled_end() < epoch_start {
            // What a crash has left unsynced: nobody must wait for the next append to see it.
            log.flush()?;
        }
        log.assign_epoch(state.leader_epoch, epoch_start);
        Ok(Leadership {
            epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            epoch_start,
            replica_count: state.replicas.len(),
            isr: Mutex::new(Isr::new(self.node_id, &state.isr)),
        })
    }

    /// The partition is gone from this node: whoever waits for it looks and finds so.
    pub(super) fn retire(&self) {
        *self.role.write() = Role::Gone;
        self.waiters.wake();
    }

    /// Puts another log in the place of the partition's if `exchange` says so. No append or read is under way meanwhile.
    pub(super) fn replace_log(
        &self,
        to: &Arc<Log>,
        exchange: impl FnOnce() -> Result<bool, ReplicaError>,
    ) -> Result<bool, ReplicaError> {
        let _nobody_else = self.role.write();
        let is_done = exchange()?;
        if is_done {
            self.log.store(to.clone());
        }
        Ok(is_done)
    }

    /// The role for a short look. It does not queue behind a change of role that waits for an append to end: that append may
    /// wait for a disk, and whoever looks must not.
    fn look(&self) -> RwLockReadGuard<'_, Role> {
        self.role.read_recursive()
    }

    /// Whether a request that knows this leader epoch may be served by the leader here.
    pub fn check_leader(&self, current_leader_epoch: i32) -> Result<(), ReplicaError> {
        let role = self.look();
        check_epoch(&role, current_leader_epoch)?;
        role.leadership().map(|_| ())
    }

    /// As [`Partition::check_leader`], for a reader that takes any replica.
    pub fn check_epoch(&self, current_leader_epoch: i32) -> Result<(), ReplicaError> {
        check_epoch(&self.look(), current_leader_epoch)
    }

    /// As [`Self::append_blocking`], in the order of the calls, and on this thread only if its directory lets it in.
    pub fn append(
        self: &Arc<Self>,
        batch: ValidBatch,
        origin: AppendOrigin,
        acks: Acks,
        now_ms: i64,
    ) -> Turn<Result<AppendInfo, ReplicaError>> {
        let partition = self.clone();
        self.in_lane(move || partition.append_blocking(batch, origin, acks, now_ms))
    }

    /// As [`Self::append`], never on this thread: for tasks that others wait for.
    pub fn append_queued(
        self: &Arc<Self>,
        batch: ValidBatch,
        origin: AppendOrigin,
        acks: Acks,
        now_ms: i64,
    ) -> impl Future<Output = Result<AppendInfo, ReplicaError>> + Send + use<> {
        let partition = self.clone();
        let queued = self.threads.lanes.queue(self.log.load().dir_id(), move || {
            partition.append_blocking(batch, origin, acks, now_ms)
        });
        async move { queued.await.unwrap_or(Err(ReplicaError::Offline)) }
    }

    /// Appends as the leader. Readers see the batch when this returns, if no other replica is in the ISR, unless
    /// [`AppendInfo::flush_due`] is set: then [`Partition::settle`] must follow before anybody is told of it.
    pub fn append_blocking(
        &self,
        batch: ValidBatch,
        origin: AppendOrigin,
        acks: Acks,
        now_ms: i64,
    ) -> Result<AppendInfo, ReplicaError> {
        let role = self.role.read();
        let leadership = role.leadership()?;
        let log = self.log.load();
        if acks == Acks::All {
            leadership.check_enough_replicas(&log)?;
        }
        let info = log.append_as_leader(batch, leadership.epoch, origin, now_ms)?;
        self.raise_high_watermark(leadership);
        drop(role);
        if self.waiters.wake() {
            self.threads.lanes.note_woken(log.dir_id());
        }
        Ok(info)
    }

    /// The guard for the first batch of a producer's transaction here, to be got before the coordinator is asked whether it
    /// is open; `None` if data of it is here already.
    pub fn start_verification(
        self: &Arc<Self>,
        start: TransactionStart,
        now_ms: i64,
    ) -> Turn<Result<Option<VerificationGuard>, ReplicaError>> {
        let partition = self.clone();
        self.in_lane(move || {
            let role = partition.role.read();
            role.leadership()?;
            Ok(partition.log.load().start_verification(&start, now_ms)?)
        })
    }

    /// Makes an append durable if `flush.messages` asks for it, in one sync with all that wait for that. The sync is asked for
    /// at once, whenever the future is polled.
    pub fn settle(
        self: &Arc<Self>,
        info: &AppendInfo,
    ) -> impl Future<Output = Result<(), ReplicaError>> + Send + use<> {
        let end = info.last_offset + 1;
        let round = info.flush_due.then(|| self.commits.want());
        if round.is_some_and(|round| round.is_first) {
            self.threads.syncers.submit(self.clone());
        }
        let partition = self.clone();
        async move {
            let Some(round) = round else { return Ok(()) };
            partition.commits.wait(round).await;
            if partition.log.load().recovery_point() >= end {
                return Ok(());
            }
            // Cut off or deleted meanwhile; otherwise the sync has failed, and the log's directory with it.
            partition.look().leadership()?;
            Err(ReplicaError::Offline)
        }
    }

    /// One sync for all that wait, and what follows from it; true if more wait for another. Blocks.
    pub(super) fn sync_round(&self) -> bool {
        self.commits.begin();
        let log = self.log();
        if let Err(error) = log.flush() {
            tracing::error!(partition = %self.name, %error, "records that were to be durable are not");
        }
        if let Role::Leader(leadership) = &*self.role.read() {
            self.raise_high_watermark(leadership);
        }
        self.waiters.wake();
        self.commits.end()
    }

    /// Raises the high watermark as far as the ISR allows, and this node's own replica: what has to be durable before it is
    /// seen counts once it is. True if it has moved.
    fn raise_high_watermark(&self, leadership: &Leadership) -> bool {
        let log = self.log.load();
        let before = log.high_watermark();
        let allowed = leadership.isr.lock().high_watermark(log.settled_end());
        allowed.is_some_and(|to| log.raise_high_watermark(to) > before)
    }

    /// Whether all in-sync replicas have everything up to `last_offset`.
    pub fn is_committed(&self, last_offset: i64) -> Result<bool, ErrorCode> {
        let role = self.look();
        let leadership = role.leadership().map_err(|error| error.code())?;
        let log = self.log.load();
        if log.high_watermark() <= last_offset {
            return Ok(false);
        }
        // The ISR may have shrunk since the append: what is there is there, but it is fewer copies than were asked for.
        match leadership.check_enough_replicas(&log) {
            Ok(()) => Ok(true),
            Err(_) => Err(ErrorCode::NotEnoughReplicasAfterAppend),
        }
    }

    /// Waits until all in-sync replicas have everything up to `last_offset`.
    pub async fn wait_committed(&self, last_offset: i64, deadline: Instant) -> Result<(), ErrorCode> {
        if self.is_committed(last_offset)? {
            return Ok(());
        }
        let waiter = Arc::new(Notify::new());
        let _registration = self.register(&waiter);
        while !self.is_committed(last_offset)? {
            if tokio::time::timeout_at(deadline, waiter.notified())
                .await
                .is_err()
            {
                return Err(ErrorCode::RequestTimedOut);
            }
        }
        Ok(())
    }

    /// Wakes `waiter` whenever the partition moves: its log end, its high watermark, its leadership.
    pub fn register(&self, waiter: &Arc<Notify>) -> Registration {
        self.waiters.register(waiter)
    }

    pub fn read(&self, request: &ReadRequest) -> Result<PartitionRead, ReplicaError> {
        let role = self.look();
        check_epoch(&role, request.current_leader_epoch)?;
        if request.leader_only {
            role.leadership()?;
        }
        let log = self.log.load();
        let diverging_epoch = diverging_epoch(&log, request)?;
        let result = if diverging_epoch.is_some() {
            // Nothing to read, only where the log stands.
            log.read(log.log_end_offset(), 0, request.bound, false)?
        } else {
            log.read(
                request.offset,
                request.max_bytes,
                request.bound,
                request.min_one_batch,
            )?
        };
        let has_more_behind = has_more_behind(&log, &result, request);
        Ok(PartitionRead {
            result,
            diverging_epoch,
            has_more_behind,
        })
    }

    /// Notes what a follower has: everything below the offset that it fetches from.
    pub fn follower_fetched(&self, replica_id: i32, fetch_offset: i64) -> Result<(), ReplicaError> {
        let role = self.role.read();
        let leadership = role.leadership()?;
        let is_in_isr = leadership.isr.lock().advance(replica_id, fetch_offset);
        // Only when it moves: the follower's own fetch may be waiting here, and would wake itself for ever.
        if is_in_isr && self.raise_high_watermark(leadership) {
            drop(role);
            self.waiters.wake();
        }
        Ok(())
    }

    /// The largest epoch at or below `epoch` that this log knows, and where it ended; `None` if it knows of none.
    pub fn end_offset_for_epoch(
        &self,
        current_leader_epoch: i32,
        epoch: i32,
    ) -> Result<Option<(i32, i64)>, ReplicaError> {
        self.check_leader(current_leader_epoch)?;
        if epoch < 0 {
            return Ok(None);
        }
        Ok(self.log.load().end_offset_for_epoch(epoch))
    }

    /// An error while the high watermark has not reached the start of this leadership: offsets would seem to go back.
    pub fn check_offsets_available(&self) -> Result<(), ReplicaError> {
        let role = self.look();
        let leadership = role.leadership()?;
        if leadership.epoch_start > self.log.load().high_watermark() {
            return Err(ReplicaError::OffsetNotAvailable);
        }
        Ok(())
    }

    /// Deletes all records before `offset`, −1 meaning the high watermark; returns the new start of the log.
    pub fn delete_records_before(&self, offset: i64) -> Result<i64, ReplicaError> {
        let role = self.role.read();
        role.leadership()?;
        let log = self.log.load();
        let config = log.config();
        if config.cleanup_compact && !config.cleanup_delete {
            return Err(ReplicaError::NotDeletable);
        }
        let start = log.delete_records_before(offset)?;
        drop(role);
        self.waiters.wake();
        Ok(start)
    }

    pub fn active_producers(self: &Arc<Self>) -> Turn<Vec<ProducerSummary>> {
        let partition = self.clone();
        self.in_lane(move || partition.log.load().active_producers())
    }

    /// Whatever takes the log's lock waits for the disk when an append does.
    fn in_lane<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Turn<T> {
        self.threads.lanes.run(self.log.load().dir_id(), work)
    }
}

impl Leadership {
    /// `min.insync.replicas`, or all replicas if the topic has fewer.
    fn check_enough_replicas(&self, log: &Log) -> Result<(), ReplicaError> {
        let wanted = usize::try_from(log.config().min_insync_replicas).unwrap_or(0);
        let wanted = wanted.min(self.replica_count);
        let in_sync = self.isr.lock().len();
        if in_sync < wanted {
            return Err(ReplicaError::NotEnoughReplicas { in_sync, wanted });
        }
        Ok(())
    }
}

fn check_epoch(role: &Role, current_leader_epoch: i32) -> Result<(), ReplicaError> {
    if matches!(role, Role::Gone) {
        return Err(ReplicaError::UnknownPartition);
    }
    if current_leader_epoch == NO_EPOCH {
        return Ok(());
    }
    match current_leader_epoch.cmp(&role.epoch()) {
        std::cmp::Ordering::Less => Err(ReplicaError::FencedLeaderEpoch),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(ReplicaError::UnknownLeaderEpoch),
    }
}

/// Where the reader's log differs from this one, if its last epoch shows that it does (KIP-595).
fn diverging_epoch(log: &Log, request: &ReadRequest) -> Result<Option<(i32, i64)>, ReplicaError> {
    if request.last_fetched_epoch == NO_EPOCH {
        return Ok(None);
    }
    let (epoch, end) = log
        .end_offset_for_epoch(request.last_fetched_epoch)
        .ok_or(ReplicaError::OffsetOutOfRange)?;
    if request.offset < log.log_start_offset() {
        return Err(ReplicaError::OffsetOutOfRange);
    }
    Ok((epoch < request.last_fetched_epoch || end < request.offset).then_some((epoch, end)))
}

fn has_more_behind(log: &Log, result: &ReadResult, request: &ReadRequest) -> bool {
    let bound = match request.bound {
        ReadBound::HighWatermark => result.high_watermark,
        ReadBound::LastStable => result.last_stable_offset,
        ReadBound::LogEnd => result.log_end_offset,
    };
    let starts_behind = |base: i64| base > request.offset && base < bound;
    result.slice.is_some()
        && log
            .segments()
            .last()
            .is_some_and(|last| starts_behind(last.base_offset()))
}
