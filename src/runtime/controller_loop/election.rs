//! How the only voter becomes leader: it reads its log, begins an epoch that nobody had, and says so in the log.

use std::sync::Arc;

use ottla_base::Uuid;
use ottla_base::ids::uuid_to_string;
use ottla_metadata::features::{KRAFT_VERSION, SUPPORTED};
use ottla_metadata::image::{FeatureRange, Voter};
use ottla_metadata::records::{AbortTransactionRecord, Record, RegisterControllerRecord};
use ottla_metadata::{Controller, Image};
use ottla_storage::batch::control::{ControlRecord, LeaderChange};

use super::active::Active;
use super::{OpenError, Options};
use crate::runtime::metadata_log::quorum_state::QuorumState;
use crate::runtime::metadata_log::snapshot_file;
use crate::runtime::metadata_log::store::{Loaded, MetadataLog, control_voters};

const NOBODY: i32 = -1;

pub(super) fn become_leader(options: Options) -> Result<Active, OpenError> {
    let (log, loaded) = MetadataLog::open(Arc::clone(&options.log))?;
    check_sole_voter(&options, loaded.replay.image())?;
    let epoch = loaded.epoch + 1;
    let is_static = loaded.replay.image().features.kraft_version == 0;
    log.write_quorum_state(&QuorumState {
        leader_id: options.config.node_id,
        leader_epoch: epoch,
        voted_id: NOBODY,
        voted_directory_id: Uuid::nil(),
        static_voters: is_static.then(|| vec![options.config.node_id]),
    })?;
    let now_ms = options.clock.now_ms();
    let controller = Controller::new(Arc::clone(&options.config), options.seed);
    let first = first_batch(&options, &loaded);
    let was_empty = loaded.replay.image().features.is_empty();
    let mut active = Active::new(log, loaded, controller, epoch, &options);
    active.append_control(&first, now_ms)?;
    if active.in_transaction() {
        let reason = Some("the controller stopped before it was complete".to_owned());
        active.append(&[Record::from(AbortTransactionRecord { reason })], now_ms)?;
    }
    if was_empty {
        active.bootstrap(&options.bootstrap, now_ms)?;
    }
    active.register_controller(registration(&options), now_ms)?;
    active.activate(now_ms);
    active.commit_first()?;
    Ok(active)
}

/// LeaderChange, and the quorum where it lives in the log and the log does not say it yet.
fn first_batch(options: &Options, loaded: &Loaded) -> Vec<ControlRecord> {
    let image = loaded.replay.image();
    let node_id = options.config.node_id;
    let me = (node_id, Uuid::nil());
    let mut records = vec![ControlRecord::LeaderChange(LeaderChange {
        version: 0,
        leader_id: node_id,
        voters: vec![me],
        granting_voters: vec![me],
    })];
    if image.features.kraft_version > 0 {
        let now = own_voter(options);
        let is_same = image.voters.iter().any(|voter| voter.endpoints == now.endpoints);
        if !loaded.has_voters_in_log || !is_same {
            let mut changed = image.clone();
            changed.voters = Arc::new(vec![now]);
            records.push(ControlRecord::KRaftVersion(image.features.kraft_version));
            records.push(ControlRecord::KRaftVoters(control_voters(&changed)));
        }
    }
    records
}

/// This node must be the only voter, whether the log says who votes or the settings do.
fn check_sole_voter(options: &Options, image: &Image) -> Result<(), OpenError> {
    let node_id = options.config.node_id;
    if image.features.kraft_version == 0 {
        let ids: Vec<i32> = options.config.voters.iter().map(|voter| voter.id).collect();
        return match ids.as_slice() {
            [only] if *only == node_id => Ok(()),
            [] => refuse(
                "no voters: neither controller.quorum.voters names this node nor was the log dir formatted with --standalone",
            ),
            ids => refuse(&format!(
                "controller.quorum.voters names {ids:?}; a quorum of several controllers is not supported yet, only node \
                 {node_id} alone"
            )),
        };
    }
    match image.voters.as_slice() {
        [voter] if voter.id == node_id && voter.directory_id == options.directory_id => Ok(()),
        [voter] if voter.id == node_id => refuse(&format!(
            "the metadata log knows this node with directory.id {}, but meta.properties says {}",
            uuid_to_string(voter.directory_id),
            uuid_to_string(options.directory_id)
        )),
        voters => refuse(&format!(
            "the voters of the metadata log are {:?}; a quorum of several controllers is not supported yet, only node \
             {node_id} alone",
            voters.iter().map(|voter| voter.id).collect::<Vec<_>>()
        )),
    }
}

fn refuse(why: &str) -> Result<(), OpenError> {
    Err(OpenError::Quorum(why.to_owned()))
}

fn own_voter(options: &Options) -> Voter {
    let kraft = SUPPORTED.iter().find(|feature| feature.name == KRAFT_VERSION);
    Voter {
        id: options.config.node_id,
        directory_id: options.directory_id,
        endpoints: options
            .endpoints
            .iter()
            .map(|e| (e.name.clone(), e.host.clone(), e.port))
            .collect(),
        kraft_versions: kraft.map_or((0, 0), |feature| (feature.min, feature.max)),
    }
}

fn registration(options: &Options) -> RegisterControllerRecord {
    RegisterControllerRecord {
        controller_id: options.config.node_id,
        incarnation_id: Uuid::new_v4(),
        zk_migration_ready: false,
        end_points: options.endpoints.clone(),
        features: supported_features(),
    }
}

/// The levels that this build understands, as registrations name them.
pub(crate) fn supported_features() -> Vec<FeatureRange> {
    let range = |feature: &ottla_metadata::features::SupportedFeature| FeatureRange {
        name: feature.name.to_owned(),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
    };
    SUPPORTED.iter().map(range).collect()
}

/// The records that formatting left for an empty log.
pub(super) fn bootstrap_records(path: &std::path::Path) -> Result<Vec<Record>, OpenError> {
    let snapshot = snapshot_file::read(path).map_err(|source| OpenError::Bootstrap {
        path: path.to_owned(),
        source,
    })?;
    Ok(snapshot.records)
}
