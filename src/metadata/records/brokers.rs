//! Records about nodes: brokers and controllers that register, are fenced, change and leave.

use ottla_base::{Uuid, record_schema};

record_schema! {
    /// A broker joined; the offset of this record becomes its epoch.
    pub struct RegisterBrokerRecord: versions 0..=4, flexible 0.. {
        broker_id: i32;
        is_migrating_zk_broker: bool, versions 2..;
        /// Random for each start of the process.
        incarnation_id: Uuid;
        broker_epoch: i64;
        end_points: Vec<EndPointRecord>;
        features: Vec<FeatureRangeRecord>;
        rack: Option<String>;
        fenced: bool = true;
        in_controlled_shutdown: bool, versions 1..;
        log_dirs: Vec<Uuid>, versions 3.., tag 0;
        /// Null until the broker has said which of its dirs are cordoned.
        cordoned_log_dirs: Option<Vec<Uuid>>, versions 4.., tag 1;
    }

    pub struct EndPointRecord {
        name: String;
        host: String;
        port: u16;
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        security_protocol: i16;
    }

    pub struct FeatureRangeRecord {
        name: String;
        min_supported_version: i16;
        max_supported_version: i16;
    }

    pub struct UnregisterBrokerRecord: versions 0..=0, flexible 0.. {
        broker_id: i32;
        broker_epoch: i64;
    }

    /// How clusters before 3.3 fenced a broker; still replayed.
    pub struct FenceBrokerRecord: versions 0..=0, flexible 0.. {
        id: i32;
        epoch: i64;
    }

    /// How clusters before 3.3 unfenced a broker; still replayed.
    pub struct UnfenceBrokerRecord: versions 0..=0, flexible 0.. {
        id: i32;
        epoch: i64;
    }

    pub struct BrokerRegistrationChangeRecord: versions 0..=3, flexible 0.. {
        broker_id: i32;
        broker_epoch: i64;
        /// -1 unfence, 0 no change, 1 fence.
        fenced: i8, tag 0;
        /// 1 enters controlled shutdown, 0 no change.
        in_controlled_shutdown: i8, versions 1.., tag 1;
        /// The dirs that are online now; empty is no change.
        log_dirs: Vec<Uuid>, versions 2.., tag 2;
        /// Null is no change.
        cordoned_log_dirs: Option<Vec<Uuid>>, versions 3.., tag 3;
    }

    pub struct RegisterControllerRecord: versions 0..=0, flexible 0.. {
        controller_id: i32;
        incarnation_id: Uuid;
        zk_migration_ready: bool;
        end_points: Vec<EndPointRecord>;
        features: Vec<FeatureRangeRecord>;
    }
}

impl BrokerRegistrationChangeRecord {
    /// The lowest version that can say what the record says: Kafka writes this one, so that old nodes can follow.
    pub(super) fn lowest_version(&self) -> i16 {
        match self {
            Self {
                cordoned_log_dirs: Some(_),
                ..
            } => 3,
            Self { log_dirs, .. } if !log_dirs.is_empty() => 2,
            Self {
                in_controlled_shutdown: 1,
                ..
            } => 1,
            _ => 0,
        }
    }
}
