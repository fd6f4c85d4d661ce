//! A broker joins, and a broker leaves for good.

use ottla_base::config::Settings as _;
use ottla_base::{ErrorCode, Uuid};

use super::{Controller, Outcome, Problem, brokers::Session};
use crate::features::METADATA_VERSION;
use crate::image::{Broker, Endpoint, FeatureRange, Image};
use crate::records::{RegisterBrokerRecord, UnregisterBrokerRecord};

/// Ids below this are Kafka's own: no dir may have one.
const RESERVED_IDS: u128 = 100;

/// What a broker says of itself when it starts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegisterBroker {
    pub broker_id: i32,
    pub incarnation_id: Uuid,
    pub endpoints: Vec<Endpoint>,
    pub features: Vec<FeatureRange>,
    pub rack: Option<String>,
    pub log_dirs: Vec<Uuid>,
    /// The epoch it had when it last stopped cleanly, or -1.
    pub previous_broker_epoch: i64,
    pub is_migrating_zk_broker: bool,
}

impl Controller {
    /// Registers the broker, fenced. The response is its epoch, which is the offset of the record: the outcome's records must
    /// be appended right behind the image's last one.
    pub fn register_broker(
        &mut self,
        image: &Image,
        request: &RegisterBroker,
        now_ms: i64,
    ) -> Result<Outcome<i64>, Problem> {
        let existing = image.brokers.get(&request.broker_id);
        self.refuse_second_incarnation(existing.map(|b| &**b), request, now_ms)?;
        check_features(image, request)?;
        check_directories(image, request)?;
        let mut records = Vec::new();
        let mut broker_epoch = None;
        if let Some(broker) = existing {
            if broker.incarnation_id == request.incarnation_id {
                broker_epoch = Some(broker.epoch);
            } else {
                // A new process: the old one is gone, and unless it said goodbye, what it had not flushed is gone too.
                let is_unclean =
                    image.features.is_elr_enabled() && request.previous_broker_epoch != broker.epoch;
                records = if is_unclean {
                    self.partitions_after_unclean_shutdown(image, broker.id)
                } else {
                    self.partitions_without(image, broker.id)
                };
            }
        }
        let broker_epoch = broker_epoch.unwrap_or(image.offset + 1 + records.len() as i64);
        let mut record = registration_record(image, request, broker_epoch);
        if let Some(broker) = existing.filter(|b| b.incarnation_id == request.incarnation_id) {
            record.fenced = broker.fenced;
            record.in_controlled_shutdown = broker.in_controlled_shutdown;
            record.cordoned_log_dirs.clone_from(&broker.cordoned_directories);
        }
        records.push(record.into());
        let session = Session::new(now_ms);
        self.sessions.insert(request.broker_id, session);
        Ok(Outcome {
            records,
            response: broker_epoch,
        })
    }

    /// Forgets a broker that is down: its place in ISRs and ELRs goes first.
    pub fn unregister_broker(&mut self, image: &Image, broker_id: i32) -> Result<Outcome<()>, Problem> {
        let broker = image.brokers.get(&broker_id).ok_or_else(|| {
            Problem::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("Broker ID {broker_id} is not currently registered"),
            )
        })?;
        let mut records = self.partitions_after_unclean_shutdown(image, broker_id);
        records.push(
            UnregisterBrokerRecord {
                broker_id,
                broker_epoch: broker.epoch,
            }
            .into(),
        );
        self.sessions.remove(&broker_id);
        Ok(Outcome {
            records,
            response: (),
        })
    }

    fn refuse_second_incarnation(
        &self,
        existing: Option<&Broker>,
        request: &RegisterBroker,
        now_ms: i64,
    ) -> Result<(), Problem> {
        let Some(broker) = existing.filter(|b| b.incarnation_id != request.incarnation_id) else {
            return Ok(());
        };
        let timeout_ms = self.config.i32("broker.session.timeout.ms").into();
        let is_alive = self
            .sessions
            .get(&broker.id)
            .is_some_and(|session| session.is_valid(now_ms, timeout_ms));
        if !is_alive || broker.in_controlled_shutdown {
            return Ok(());
        }
        Err(Problem::new(
            ErrorCode::DuplicateBrokerRegistration,
            format!("Another broker is registered with that broker id: {}.", broker.id),
        ))
    }
}

fn registration_record(image: &Image, request: &RegisterBroker, broker_epoch: i64) -> RegisterBrokerRecord {
    let has_directories = image.features.metadata_version().has_directories();
    RegisterBrokerRecord {
        broker_id: request.broker_id,
        is_migrating_zk_broker: request.is_migrating_zk_broker,
        incarnation_id: request.incarnation_id,
        broker_epoch,
        end_points: request.endpoints.clone(),
        features: request.features.clone(),
        rack: request.rack.clone(),
        fenced: true,
        in_controlled_shutdown: false,
        log_dirs: if has_directories {
            request.log_dirs.clone()
        } else {
            Vec::new()
        },
        cordoned_log_dirs: None,
    }
}

/// Every finalized feature must be inside the broker's range.
fn check_features(image: &Image, request: &RegisterBroker) -> Result<(), Problem> {
    if !request.features.iter().any(|f| f.name == METADATA_VERSION) {
        return Err(Problem::new(
            ErrorCode::InvalidRegistration,
            format!("Request features do not contain '{METADATA_VERSION}'"),
        ));
    }
    let finalized = image
        .features
        .iter()
        .chain([(crate::features::KRAFT_VERSION, image.features.kraft_version)]);
    for (name, level) in finalized {
        let range = request.features.iter().find(|f| f.name == name);
        let is_supported = range.map_or(level == 0, |f| {
            (f.min_supported_version..=f.max_supported_version).contains(&level)
        });
        if !is_supported {
            return Err(Problem::new(
                ErrorCode::UnsupportedVersion,
                format!(
                    "Unable to register because the broker does not support finalized version {level} of {name}. The \
                     broker wants a version between {} and {}, inclusive.",
                    range.map_or(0, |f| f.min_supported_version),
                    range.map_or(0, |f| f.max_supported_version)
                ),
            ));
        }
    }
    Ok(())
}

fn check_directories(image: &Image, request: &RegisterBroker) -> Result<(), Problem> {
    if !image.features.metadata_version().has_directories() {
        return Ok(());
    }
    let refuse = |message: &str| Err(Problem::new(ErrorCode::InvalidRegistration, message));
    if request.log_dirs.is_empty() {
        return refuse("No directories specified in request");
    }
    let mut unique = request.log_dirs.clone();
    unique.sort();
    unique.dedup();
    if unique.len() != request.log_dirs.len() {
        return refuse("Duplicate directory id in request");
    }
    if unique.iter().any(|id| id.as_u128() < RESERVED_IDS) {
        return refuse("Reserved directory id in request");
    }
    let of_another = image.brokers.values().filter(|b| b.id != request.broker_id);
    for broker in of_another {
        if broker.directories.iter().any(|id| unique.contains(id)) {
            return refuse("A directory id in the request belongs to another broker");
        }
    }
    Ok(())
}
