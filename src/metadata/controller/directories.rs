//! Where replicas lie: a broker tells in which of its log directories it has put them (KIP-858).

use ottla_base::{TopicIdPartition, Uuid};

use super::{Controller, Outcome};
use crate::image::Image;
use crate::records::Record;

impl Controller {
    /// Notes the directory of each of these replicas of a broker. Replicas that the broker does not have any more are passed
    /// over: their removal is on its way to it.
    pub fn assign_replicas_to_dirs(
        &self,
        image: &Image,
        broker_id: i32,
        replicas: &[(TopicIdPartition, Uuid)],
    ) -> Outcome<()> {
        let rules = self.rules(image);
        let mut records = Vec::new();
        for (id, directory) in replicas {
            let Some(topic) = image.topics.by_id(id.topic_id) else {
                continue;
            };
            let Some(partition) = topic.partitions.get(&id.partition) else {
                continue;
            };
            if !partition.replicas.contains(&broker_id) {
                continue;
            }
            let mut change = rules
                .of(image, topic)
                .change(image, topic, id.partition, partition);
            change.set_directory(broker_id, *directory);
            records.extend(change.build().map(Record::from));
        }
        Outcome {
            records,
            response: (),
        }
    }
}
