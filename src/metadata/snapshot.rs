//! An image as the records that rebuild it, in the order in which Kafka writes a snapshot.

use crate::features::METADATA_VERSION;
use crate::image::Image;
use crate::records::{
    ConfigRecord, FeatureLevelRecord, ProducerIdsRecord, Record, TopicRecord, UserScramCredentialRecord,
};

impl Image {
    /// The records of a snapshot. Lazy: an image of a million partitions is never a million records in memory.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.feature_records()
            .chain(self.node_records())
            .chain(self.topic_records())
            .chain(self.setting_records())
            .chain(self.security_records())
    }

    /// `metadata.version` comes first, since it decides how the records behind it are read.
    fn feature_records(&self) -> impl Iterator<Item = Record> {
        let (version, others): (Vec<_>, Vec<_>) = self
            .features
            .iter()
            .partition(|(name, _)| *name == METADATA_VERSION);
        version.into_iter().chain(others).map(|(name, feature_level)| {
            let name = name.to_owned();
            FeatureLevelRecord { name, feature_level }.into()
        })
    }

    fn node_records(&self) -> impl Iterator<Item = Record> {
        let version = self.features.metadata_version();
        let brokers = self.brokers.values().map(move |b| b.to_record(version).into());
        let controllers = self
            .controllers
            .values()
            .filter(move |_| version.has_controller_registration());
        brokers.chain(controllers.map(|c| c.to_record().into()))
    }

    fn topic_records(&self) -> impl Iterator<Item = Record> {
        let version = self.features.metadata_version();
        self.topics.iter().flat_map(move |topic| {
            let name = topic.name.to_string();
            let head = Record::from(TopicRecord {
                name,
                topic_id: topic.id,
            });
            let partitions = topic
                .partitions
                .iter()
                .map(move |(index, partition)| partition.to_record(topic.id, *index, version).into());
            std::iter::once(head).chain(partitions)
        })
    }

    fn setting_records(&self) -> impl Iterator<Item = Record> {
        let configs = self.configs.iter().flat_map(|(resource, values)| {
            values.iter().map(|(name, value)| {
                Record::from(ConfigRecord {
                    resource_type: resource.kind.code(),
                    resource_name: resource.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                })
            })
        });
        let quotas = self.client_quotas.iter().flat_map(|(entity, quotas)| {
            quotas
                .iter()
                .map(|(key, value)| Record::from(entity.to_record(key, Some(*value))))
        });
        let producer_ids = self.next_producer_id.map(|next_producer_id| {
            Record::from(ProducerIdsRecord {
                broker_id: -1,
                broker_epoch: -1,
                next_producer_id,
            })
        });
        configs.chain(quotas).chain(producer_ids)
    }

    /// What the metadata version does not know is left out, or older nodes could not read the snapshot.
    fn security_records(&self) -> impl Iterator<Item = Record> {
        let version = self.features.metadata_version();
        let acls = self.acls.iter().map(|(id, acl)| acl.to_record(*id).into());
        let scram = self.scram.iter().map(|(mechanism, user, credential)| {
            Record::from(UserScramCredentialRecord {
                name: user.to_owned(),
                mechanism: mechanism.code(),
                salt: credential.salt.clone(),
                stored_key: credential.stored_key.clone(),
                server_key: credential.server_key.clone(),
                iterations: credential.iterations,
            })
        });
        let tokens = self
            .delegation_tokens
            .values()
            .map(|token| Record::from(token.as_ref().clone()));
        acls.chain(scram.filter(move |_| version.has_scram()))
            .chain(tokens.filter(move |_| version.has_delegation_tokens()))
    }
}

#[cfg(test)]
mod tests;
