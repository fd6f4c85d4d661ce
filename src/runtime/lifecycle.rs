//! This broker's life as the cluster sees it: registered and fenced, unfenced and serving, in controlled shutdown, gone.
//!
//! It talks to the controller as any broker does, by registrations and heartbeats; that the controller is in the same process
//! only saves the wire.

use std::sync::Arc;
use std::time::Duration;

use ottla_base::{ErrorCode, Uuid};
use ottla_metadata::Problem;
use ottla_metadata::controller::{Heartbeat, HeartbeatReply, RegisterBroker};
use ottla_metadata::image::Endpoint;
use ottla_storage::dirs::LogDir;
use tracing::{debug, info, warn};

use super::controller_loop::{ControllerHandle, supported_features};

/// How soon a start or a stop asks again while the controller says "not yet".
const IMPATIENT_MS: u64 = 10;
/// After this many tries a start that is refused for an older incarnation gives up.
const REGISTRATION_TRIES_MAX: u32 = 30;

/// What the broker says of itself.
#[derive(Clone, Debug)]
pub struct Identity {
    pub broker_id: i32,
    pub endpoints: Vec<Endpoint>,
    pub rack: Option<String>,
    /// `directory.id` of each log dir.
    pub log_dirs: Vec<Uuid>,
    /// Those that take no new replicas.
    pub cordoned_log_dirs: Vec<Uuid>,
    /// See [`previous_broker_epoch`].
    pub previous_broker_epoch: i64,
    pub heartbeat_interval_ms: u64,
}

/// The epoch at which this broker last stopped cleanly: what all log dirs agree on, or -1.
pub fn previous_broker_epoch(dirs: &[Arc<LogDir>]) -> i64 {
    let mut epochs = dirs.iter().map(|dir| match dir.was_clean_shutdown() {
        true => dir.broker_epoch(),
        false => -1,
    });
    let first = epochs.next().unwrap_or(-1);
    if epochs.all(|epoch| epoch == first) {
        first
    } else {
        -1
    }
}

/// A registered broker.
pub struct BrokerLifecycle {
    controller: ControllerHandle,
    identity: Identity,
    epoch: i64,
}

impl BrokerLifecycle {
    /// Registers the broker. It stays fenced until [`Self::unfence`].
    pub async fn register(controller: ControllerHandle, identity: Identity) -> Result<Self, Problem> {
        let request = RegisterBroker {
            broker_id: identity.broker_id,
            incarnation_id: Uuid::new_v4(),
            endpoints: identity.endpoints.clone(),
            features: supported_features(),
            rack: identity.rack.clone(),
            log_dirs: identity.log_dirs.clone(),
            previous_broker_epoch: identity.previous_broker_epoch,
            is_migrating_zk_broker: false,
        };
        let mut tries = 0;
        loop {
            let request = request.clone();
            let registered = controller
                .try_write(move |c, image, now_ms| c.register_broker(image, &request, now_ms))
                .await;
            match registered {
                Ok(epoch) => {
                    info!(broker_id = identity.broker_id, epoch, "registered");
                    let this = Self {
                        controller,
                        identity,
                        epoch,
                    };
                    return Ok(this);
                }
                // The last incarnation's session has not run out yet.
                Err(problem)
                    if problem.code == ErrorCode::DuplicateBrokerRegistration
                        && tries < REGISTRATION_TRIES_MAX =>
                {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(identity.heartbeat_interval_ms)).await;
                }
                Err(problem) => return Err(problem),
            }
        }
    }

    /// The epoch of this registration: what the clean-shutdown marker must say.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Tells the controller that the broker is ready; its partitions get their leaders with that.
    pub async fn unfence(&self) -> Result<(), Problem> {
        while self.heartbeat(false, false).await?.is_fenced {
            tokio::time::sleep(Duration::from_millis(IMPATIENT_MS)).await;
        }
        Ok(())
    }

    /// Sends heartbeats until it is dropped. An answer that is late (it comes behind the publication of all that was written
    /// before) does not hold up the next heartbeat, or a busy node would look like a dead one.
    pub async fn keep_alive(&self) {
        let every = Duration::from_millis(self.identity.heartbeat_interval_ms);
        let mut interval = tokio::time::interval(every);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            match tokio::time::timeout(every, self.heartbeat(false, false)).await {
                Ok(Ok(HeartbeatReply { is_fenced: false, .. })) => {}
                Ok(Ok(_)) => warn!("this broker is fenced"),
                Ok(Err(problem)) => warn!(%problem, "the heartbeat was refused"),
                Err(_) => debug!("the node is busy with changes of the metadata"),
            }
        }
    }

    /// Gives up all leaderships; returns when the controller says that the broker may stop. No heartbeat may follow.
    pub async fn controlled_shutdown(&self) -> Result<(), Problem> {
        while !self.heartbeat(false, true).await?.should_shut_down {
            tokio::time::sleep(Duration::from_millis(IMPATIENT_MS)).await;
        }
        Ok(())
    }

    async fn heartbeat(&self, want_fence: bool, want_shut_down: bool) -> Result<HeartbeatReply, Problem> {
        let request = Heartbeat {
            broker_id: self.identity.broker_id,
            broker_epoch: self.epoch,
            current_metadata_offset: 0,
            want_fence,
            want_shut_down,
            offline_log_dirs: Vec::new(),
            cordoned_log_dirs: Some(self.identity.cordoned_log_dirs.clone()),
        };
        self.controller
            .try_write(move |controller, image, now_ms| {
                // The controller publishes to this very node: whatever it knows, the node has seen.
                let request = Heartbeat {
                    current_metadata_offset: image.offset,
                    ..request
                };
                controller.heartbeat(image, &request, now_ms)
            })
            .await
    }
}
