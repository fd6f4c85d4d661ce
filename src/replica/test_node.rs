//! A replica manager on a temporary directory, for the unit tests of this room and of `api::data`.

use std::path::PathBuf;
use std::sync::Arc;

use ottla_base::config::effective::Effective;
use ottla_base::config::{BrokerConfig, broker::Source};
use ottla_base::{ManualClock, TopicIdPartition, Uuid};
use ottla_metadata::records::{
    ConfigRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use ottla_metadata::{Delta, Image, Record};
use ottla_storage::LogDirs;
use ottla_storage::batch::{BatchBuilder, BatchOptions, ValidBatch};
use ottla_storage::dirs::{ClusterIdentity, MetaProperties, new_directory_id};
use ottla_storage::vfs::Disk;
use tempfile::TempDir;

use super::{Partition, ReplicaManager};

pub const NODE_ID: i32 = 1;
pub const TOPIC_ID: Uuid = Uuid::from_u128(0x1234);

pub struct TestNode {
    pub manager: Arc<ReplicaManager>,
    pub image: Image,
    pub dirs: Vec<Uuid>,
    _folder: TempDir,
}

impl TestNode {
    /// A node with so many log directories and no topics.
    pub fn new(dir_count: usize) -> Self {
        Self::on(dir_count, |path| Disk::new(path))
    }

    /// As [`TestNode::new`], on these disks; the directories are `dir0` and so on.
    pub fn on(dir_count: usize, disk: impl Fn(&PathBuf) -> Disk) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..dir_count)
            .map(|i| folder.path().join(format!("dir{i}")))
            .collect();
        let mut dirs = Vec::new();
        for path in &paths {
            let disk = Disk::new(path);
            disk.create_dir(path).unwrap();
            let meta = MetaProperties {
                identity: ClusterIdentity {
                    cluster_id: "test-cluster".into(),
                    node_id: NODE_ID,
                },
                directory_id: new_directory_id(),
            };
            meta.write(&disk).unwrap();
            dirs.push(meta.directory_id);
        }
        let log_dirs = Arc::new(LogDirs::open_on(&paths, None, disk).unwrap());
        let overrides = [("node.id".to_owned(), NODE_ID.to_string())];
        let source = Source {
            file: None,
            overrides: &overrides,
            environment: &|_| None,
        };
        let config = Effective::of_file(Arc::new(BrokerConfig::load(&source).unwrap()));
        let manager = ReplicaManager::new(config, log_dirs, Arc::new(ManualClock::at(1_000_000)));
        let image = Image::empty();
        manager.load(&image).unwrap();
        Self {
            manager,
            image,
            dirs,
            _folder: folder,
        }
    }

    /// A node that leads partition 0 of topic `t`, alone in the ISR.
    pub fn with_leader() -> (Self, Arc<Partition>) {
        let mut node = Self::new(1);
        node.create_topic("t", TOPIC_ID, vec![partition(&[NODE_ID], &[NODE_ID])]);
        let partition = node.partition(0);
        (node, partition)
    }

    pub fn partition(&self, index: i32) -> Arc<Partition> {
        self.manager
            .get(&TopicIdPartition {
                topic_id: TOPIC_ID,
                partition: index,
            })
            .unwrap()
    }

    pub fn create_topic(&mut self, name: &str, id: Uuid, partitions: Vec<PartitionRecord>) {
        let mut records = vec![Record::Topic(TopicRecord {
            name: name.into(),
            topic_id: id,
        })];
        for (index, partition) in (0..).zip(partitions) {
            records.push(Record::Partition(PartitionRecord {
                topic_id: id,
                partition_id: index,
                ..partition
            }));
        }
        self.apply(&records);
    }

    pub fn delete_topic(&mut self, id: Uuid) {
        self.apply(&[Record::RemoveTopic(RemoveTopicRecord { topic_id: id })]);
    }

    pub fn set_config(&mut self, topic: &str, name: &str, value: &str) {
        self.apply(&[Record::Config(ConfigRecord {
            resource_type: 2,
            resource_name: topic.into(),
            name: name.into(),
            value: Some(value.into()),
        })]);
    }

    pub fn change(&mut self, change: PartitionChangeRecord) {
        self.apply(&[Record::PartitionChange(PartitionChangeRecord {
            topic_id: TOPIC_ID,
            partition_id: 0,
            ..change
        })]);
    }

    pub fn apply(&mut self, records: &[Record]) {
        let mut delta = Delta::default();
        for record in records {
            let offset = self.image.offset + 1;
            self.image.apply(record, offset, &mut delta).unwrap();
        }
        self.manager.apply(&self.image, &delta);
    }
}

/// A partition led by the first of its replicas in epoch 5.
pub fn partition(replicas: &[i32], isr: &[i32]) -> PartitionRecord {
    PartitionRecord {
        replicas: replicas.to_vec(),
        isr: isr.to_vec(),
        leader: replicas[0],
        leader_epoch: 5,
        partition_epoch: 10,
        ..PartitionRecord::default()
    }
}

/// A batch of `count` records of 100 bytes.
pub fn batch(count: usize) -> ValidBatch {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for _ in 0..count {
        builder.append(1_000_000, Some(b"key"), Some(&[7; 100]), &[]);
    }
    ValidBatch::trusted(&builder.build()).unwrap()
}
