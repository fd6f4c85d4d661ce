//! What the groups of a bench go through, phase by phase: they form, rest, commit, and lose and regain a member.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use kafka_protocol::messages::{FindCoordinatorRequest, GroupId};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use crate::board::Board;
use crate::classic::ClassicMember;
use crate::connection::Connection;
use crate::consumer::ConsumerMember;
use crate::errors;
use crate::histogram::Histogram;
use crate::member::{Commits, Member, MemberTask, Order, Place, Protocol, Role};
use crate::process::Work;
use crate::target::Target;

const FIND_COORDINATOR: i16 = 4;
/// No phase of any bench takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Args)]
pub struct GroupOptions {
    /// With a topic that exists.
    #[command(flatten)]
    target: Target,
    #[arg(long, default_value = "classic")]
    protocol: Protocol,
    /// Of the topic.
    #[arg(long)]
    partitions: i32,
    /// What the names of the groups begin with.
    #[arg(long, default_value = "group")]
    prefix: String,
    #[arg(long, default_value_t = 1)]
    groups: u32,
    #[arg(long, default_value_t = 3)]
    members: usize,
    /// For how long nothing happens but heartbeats.
    #[arg(long, default_value_t = 0.0)]
    rest_seconds: f64,
    #[arg(long, default_value_t = 0.0)]
    commit_seconds: f64,
    /// Commits a second, over all members.
    #[arg(long, default_value_t = 20_000.0)]
    commit_rate: f64,
    /// How often a member of the first group leaves, and comes back.
    #[arg(long, default_value_t = 0)]
    leaves: usize,
    /// Before each leave and return; assignments of consumer groups are made once a second at most.
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
}

struct Group {
    board: Rc<Board>,
    members: Vec<Member>,
}

pub async fn run(options: GroupOptions) -> Result<()> {
    let (failed, mut failures) = mpsc::unbounded_channel();
    let commits = Rc::new(Commits::default());
    let groups = seat_all(&options, &commits, &failed).await?;
    let scenario = async {
        form(&options, &groups).await?;
        rest(&options).await?;
        commit(&options, &groups, &commits).await?;
        leave_and_return(&options, &groups).await
    };
    tokio::select! {
        done = tokio::time::timeout(PATIENCE, scenario) => done.context("the broker is too slow")?,
        Some(error) = failures.recv() => Err(error),
    }
}

/// Connects all members; the cost of connections is no group's.
async fn seat_all(
    options: &GroupOptions,
    commits: &Rc<Commits>,
    failed: &mpsc::UnboundedSender<anyhow::Error>,
) -> Result<Vec<Group>> {
    await_coordinator(&options.target.broker.bootstrap).await?;
    let mut groups = Vec::new();
    for number in 0..options.groups {
        let board = Rc::new(Board::new(options.members, usize::try_from(options.partitions)?));
        let mut members = Vec::with_capacity(options.members);
        for seat in 0..options.members {
            let place = Place {
                group: GroupId(StrBytes::from_string(format!("{}-{number}", options.prefix))),
                group_number: number,
                seat,
                topic: StrBytes::from_string(options.target.topic.clone()),
                partitions: options.partitions,
            };
            let role = match options.protocol {
                Protocol::Classic => Role::Classic(ClassicMember::new(&place)?),
                Protocol::Consumer => Role::Consumer(ConsumerMember::new(&place)),
            };
            let (orders, receiver) = mpsc::unbounded_channel();
            let nudge = Rc::new(Notify::new());
            let task = MemberTask {
                connection: Connection::open(&options.target.broker.bootstrap, "bench").await?,
                place,
                role,
                orders: receiver,
                nudge: nudge.clone(),
                board: board.clone(),
                commits: commits.clone(),
            };
            let failed = failed.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = task.run().await {
                    let _ = failed.send(error);
                }
            });
            members.push(Member { orders, nudge });
        }
        groups.push(Group { board, members });
    }
    Ok(groups)
}

/// The first to ask makes the broker create `__consumer_offsets`.
pub async fn await_coordinator(bootstrap: &str) -> Result<()> {
    let mut connection = Connection::open(bootstrap, "bench").await?;
    let request =
        FindCoordinatorRequest::default().with_coordinator_keys(vec![StrBytes::from_static_str("bench")]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let answer = connection.call(FIND_COORDINATOR, &request).await?;
        if answer
            .coordinators
            .iter()
            .all(|found| found.error_code == errors::NONE)
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("no coordinator")
}

async fn form(options: &GroupOptions, groups: &[Group]) -> Result<()> {
    let meter = options.target.broker.meter()?;
    for member in groups.iter().flat_map(|group| &group.members) {
        member.orders.send(Order::Join)?;
    }
    for group in groups {
        group.board.settled(options.members, -1).await;
    }
    meter.end(
        "form",
        Work::of(u64::from(options.groups) * options.members as u64),
    )
}

async fn rest(options: &GroupOptions) -> Result<()> {
    if options.rest_seconds == 0.0 {
        return Ok(());
    }
    let meter = options.target.broker.meter()?;
    tokio::time::sleep(Duration::from_secs_f64(options.rest_seconds)).await;
    meter.end(
        "rest",
        Work::of(u64::from(options.groups) * options.members as u64),
    )
}

/// Members commit in turn, at a rate that does not wait for the broker. What it could not answer in time counts as late.
async fn commit(options: &GroupOptions, groups: &[Group], commits: &Commits) -> Result<()> {
    let total = (options.commit_rate * options.commit_seconds) as usize;
    if total == 0 {
        return Ok(());
    }
    let meter = options.target.broker.meter()?;
    let begun = Instant::now();
    let mut in_turn = groups.iter().flat_map(|group| &group.members).cycle();
    let mut sent = 0;
    while sent < total {
        let due = (begun.elapsed().as_secs_f64() * options.commit_rate) as usize;
        for number in sent..due.min(total) {
            let due = begun + Duration::from_secs_f64(number as f64 / options.commit_rate);
            let member = in_turn.next().context("no members")?;
            member.orders.send(Order::Commit(due))?;
        }
        sent = due.min(total);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while commits.latencies.borrow().count() < total as u64 {
        commits.changed.notified().await;
    }
    meter.end("commit", Work::timed(commits.latencies.take()))
}

/// Each time is from the leave to the moment when everybody else is stable again. The others hear of it by heartbeats that
/// they send at once: how long a client sleeps between two of them is not the broker's doing.
async fn leave_and_return(options: &GroupOptions, groups: &[Group]) -> Result<()> {
    let Some(group) = groups.first().filter(|_| options.leaves > 0) else {
        return Ok(());
    };
    let mut meter = options.target.broker.meter()?;
    let mut times = Histogram::default();
    let pause = Duration::from_millis(options.pause_ms);
    for round in 0..options.leaves {
        let leaver = round % options.members;
        let member = group.members.get(leaver).context("no members")?;
        meter.pause(pause).await?;
        let epoch = group.board.newest();
        let begun = Instant::now();
        let (done, left) = oneshot::channel();
        member.orders.send(Order::Leave(done))?;
        left.await?;
        settle(group, options.members - 1, epoch, Some(leaver)).await;
        times.record(begun.elapsed());
        meter.pause(pause).await?;
        let epoch = group.board.newest();
        member.orders.send(Order::Join)?;
        settle(group, options.members, epoch, None).await;
    }
    let work = Work {
        operations: 2 * options.leaves as u64,
        latencies: times,
        ..Work::default()
    };
    meter.end("rebalance", work)
}

/// Nudges those who are behind until the group is settled; `gone` is no member any more.
async fn settle(group: &Group, members: usize, epoch: i32, gone: Option<usize>) {
    let board = &group.board;
    let again =
        Duration::from_millis(20).max(Duration::from_micros(250) * u32::try_from(members).unwrap_or(0));
    loop {
        let all_are_behind = board.newest() <= epoch || board.members_at_newest() == members;
        for (seat, member) in group.members.iter().enumerate() {
            if Some(seat) != gone && (all_are_behind || !board.is_current(seat)) {
                member.nudge.notify_one();
            }
        }
        let settled = tokio::time::timeout(again, board.settled(members, epoch));
        if settled.await.is_ok() {
            return;
        }
    }
}
