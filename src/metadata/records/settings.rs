//! Records about settings: configs, quotas, features, and the counter of producer ids.

use ottla_base::record_schema;

record_schema! {
    pub struct ConfigRecord: versions 0..=0, flexible 0.. {
        /// 2 topic, 4 broker, 16 client metrics, 32 group.
        resource_type: i8;
        /// Empty for what holds for all brokers.
        resource_name: String;
        name: String;
        /// Null deletes.
        value: Option<String>;
    }

    pub struct ClientQuotaRecord: versions 0..=0, flexible 0.. {
        entity: Vec<QuotaEntityRecord>;
        key: String;
        value: f64;
        remove: bool;
    }

    pub struct QuotaEntityRecord {
        entity_type: String;
        /// Null is the default of its type.
        entity_name: Option<String>;
    }

    pub struct FeatureLevelRecord: versions 0..=0, flexible 0.. {
        name: String;
        /// 0 removes the feature.
        feature_level: i16;
    }

    pub struct ProducerIdsRecord: versions 0..=0, flexible 0.. {
        broker_id: i32;
        broker_epoch: i64 = -1;
        /// The first id that has not been handed out.
        next_producer_id: i64;
    }
}
