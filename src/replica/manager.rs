//! Which partitions this node hosts, kept in step with the cluster's metadata.
//!
//! Locks: `changes` is held while a delta is applied and while a replica moves, `hosted` only to look up or exchange an
//! entry. Requests take nothing but the read half of `hosted`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use ottla_base::config::Settings;
use ottla_base::config::effective::Effective;
use ottla_base::{Clock, TopicIdPartition, TopicPartition, Uuid};
use ottla_metadata::image::{self, ConfigKind, Topic};
use ottla_metadata::{Delta, Image};
use ottla_storage::dirs::{LoadOptions, Loaded};
use ottla_storage::{Log, LogConfig, LogDirs, StorageError};
use parking_lot::{Mutex, RwLock};

use super::error::ReplicaError;
use super::lanes::Lanes;
use super::log_config::{effective, log_config};
use super::parallel;
use super::partition::{DiskThreads, Partition};

pub struct ReplicaManager {
    node_id: i32,
    pub(super) dirs: Arc<LogDirs>,
    threads: DiskThreads,
    /// The configuration in force: the file, and what the metadata lays over it.
    config: ArcSwap<Effective>,
    pub(super) clock: Arc<dyn Clock>,
    hosted: RwLock<Hosted>,
    pub(super) changes: Mutex<()>,
}

#[derive(Default)]
struct Hosted {
    topics: HashMap<Uuid, HostedTopic>,
    ids: HashMap<Arc<str>, Uuid>,
}

struct HostedTopic {
    name: Arc<str>,
    partitions: BTreeMap<i32, Entry>,
}

/// A partition, or the place of one whose log could not be opened.
enum Entry {
    Online(Arc<Partition>),
    Offline,
}

/// One partition of a delta.
struct Change<'a> {
    topic: &'a Topic,
    index: i32,
    state: &'a image::Partition,
    config: Arc<LogConfig>,
}

impl Hosted {
    fn entry(&self, id: &TopicIdPartition) -> Option<&Entry> {
        self.topics.get(&id.topic_id)?.partitions.get(&id.partition)
    }

    fn put(&mut self, id: TopicIdPartition, name: &Arc<str>, entry: Entry) {
        self.ids.insert(name.clone(), id.topic_id);
        let topic = self.topics.entry(id.topic_id).or_insert_with(|| HostedTopic {
            name: name.clone(),
            partitions: BTreeMap::new(),
        });
        topic.partitions.insert(id.partition, entry);
    }

    fn remove(&mut self, id: &TopicIdPartition) -> Option<Entry> {
        let topic = self.topics.get_mut(&id.topic_id)?;
        let entry = topic.partitions.remove(&id.partition);
        if topic.partitions.is_empty() {
            // The name may belong to a newer topic by now.
            if self.ids.get(&topic.name) == Some(&id.topic_id) {
                self.ids.remove(&topic.name);
            }
            self.topics.remove(&id.topic_id);
        }
        entry
    }
}

impl ReplicaManager {
    /// A manager without partitions: they come with the first image.
    pub fn new(file: Effective, dirs: Arc<LogDirs>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let dir_ids: Vec<Uuid> = dirs.dirs().iter().map(|dir| dir.id()).collect();
        Arc::new(Self {
            node_id: file.node().node_id,
            threads: DiskThreads {
                lanes: Arc::new(Lanes::new(&dir_ids)),
                syncers: Arc::default(),
            },
            dirs,
            config: ArcSwap::from_pointee(file),
            clock,
            hosted: RwLock::new(Hosted::default()),
            changes: Mutex::new(()),
        })
    }

    /// Loads the logs of all directories, with the image as it is at the start. Logs that the cluster does not know, or has
    /// not placed on this node, are set aside as strays. To be called once, before the first image is applied. Blocks.
    pub fn load(&self, image: &Image) -> Result<Loaded, StorageError> {
        let config = effective(&self.config.load(), image);
        let options = LoadOptions {
            threads_per_dir: usize::try_from(config.i32("num.recovery.threads.per.data.dir")).unwrap_or(1),
            now_ms: self.clock.now_ms(),
            config_of: &|partition| Arc::new(log_config(&config, image, &partition.topic)),
            is_stray: &|partition, topic_id| {
                let topic = topic_id.and_then(|id| image.topics.by_id(id));
                let state = topic.and_then(|topic| topic.partitions.get(&partition.partition));
                !state.is_some_and(|state| state.replicas.contains(&self.node_id))
            },
            file_delete_delay_ms: config.i64("log.segment.delete.delay.ms"),
        };
        let loaded = self.dirs.load_all(&options)?;
        self.config.store(Arc::new(config));
        Ok(loaded)
    }

    pub fn node_id(&self) -> i32 {
        self.node_id
    }

    pub fn log_dirs(&self) -> &Arc<LogDirs> {
        &self.dirs
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Effective> {
        self.config.load_full()
    }

    pub fn get(&self, id: &TopicIdPartition) -> Option<Arc<Partition>> {
        self.find(id).ok()
    }

    pub fn by_name(&self, topic: &str, partition: i32) -> Option<Arc<Partition>> {
        let topic_id = *self.hosted.read().ids.get(topic)?;
        self.get(&TopicIdPartition { topic_id, partition })
    }

    /// The partition, or why this node cannot serve it although the cluster has it.
    pub fn find(&self, id: &TopicIdPartition) -> Result<Arc<Partition>, ReplicaError> {
        match self.hosted.read().entry(id) {
            Some(Entry::Online(partition)) if partition.log().is_offline() => Err(ReplicaError::Offline),
            Some(Entry::Online(partition)) => Ok(partition.clone()),
            Some(Entry::Offline) => Err(ReplicaError::Offline),
            None => Err(ReplicaError::NotLeader),
        }
    }

    /// All partitions that are online.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        let hosted = self.hosted.read();
        let entries = hosted.topics.values().flat_map(|topic| topic.partitions.values());
        let online = entries.filter_map(|entry| match entry {
            Entry::Online(partition) => Some(partition.clone()),
            Entry::Offline => None,
        });
        online.collect()
    }

    /// Brings the partitions in step with an image: deletes, creates, leads, follows, and tells logs their configuration.
    /// Blocks on the disk.
    pub fn apply(&self, image: &Image, delta: &Delta) {
        let _one_at_a_time = self.changes.lock();
        let deleted = delta.deleted_topics.values();
        let deleted = deleted.flat_map(|topic| topic.partitions.keys().map(|index| id_of(topic, *index)));
        parallel::for_each(&deleted.collect::<Vec<_>>(), |id| self.remove(id));
        self.apply_configs(image, delta);
        parallel::for_each(&self.changes_of(image, delta), |change| {
            self.apply_partition(change)
        });
    }

    /// The partitions that the delta names, with what has become of them.
    fn changes_of<'a>(&self, image: &'a Image, delta: &Delta) -> Vec<Change<'a>> {
        let mut changes = Vec::new();
        for (topic_id, changed) in &delta.topics {
            let Some(topic) = image.topics.by_id(*topic_id) else {
                continue;
            };
            let config = Arc::new(log_config(&self.config.load(), image, &topic.name));
            for index in &changed.partitions {
                if let Some(state) = topic.partitions.get(index) {
                    let (index, config) = (*index, config.clone());
                    changes.push(Change {
                        topic,
                        index,
                        state,
                        config,
                    });
                }
            }
        }
        changes
    }

    fn apply_partition(&self, change: &Change<'_>) {
        let Change {
            topic,
            index,
            state,
            config,
        } = change;
        let id = id_of(topic, *index);
        if !state.replicas.contains(&self.node_id) {
            self.remove(&id);
            return;
        }
        let hosted = match self.get(&id) {
            Some(partition) => Ok(partition),
            None => self.open(id, &topic.name, state, config),
        };
        if let Err(error) = hosted.and_then(|partition| partition.apply(state)) {
            tracing::error!(topic = &*topic.name, partition = index, %error, "a partition is offline");
            self.hosted.write().put(id, &topic.name, Entry::Offline);
        }
    }

    /// The partition's log, as it was loaded at the start, or a new one.
    fn open(
        &self,
        id: TopicIdPartition,
        name: &Arc<str>,
        state: &image::Partition,
        config: &Arc<LogConfig>,
    ) -> Result<Arc<Partition>, ReplicaError> {
        let topic_partition = TopicPartition::new(name.clone(), id.partition);
        let log = match self.dirs.load(&topic_partition, id.topic_id, config) {
            Some(log) => log,
            None => self.create_log(&topic_partition, id.topic_id, state, config)?,
        };
        let partition = Partition::new(id, self.node_id, log, self.threads.clone());
        self.hosted
            .write()
            .put(id, name, Entry::Online(partition.clone()));
        Ok(partition)
    }

    fn create_log(
        &self,
        partition: &TopicPartition,
        topic_id: Uuid,
        state: &image::Partition,
        config: &Arc<LogConfig>,
    ) -> Result<Arc<Log>, ReplicaError> {
        // The name was used before: that topic is gone, but nobody has said that its records may go.
        if let Some(other) = self.dirs.get(partition) {
            self.dirs.set_stray(&other)?;
        }
        let directory = state.directory_of(self.node_id);
        let now_ms = self.clock.now_ms();
        Ok(self
            .dirs
            .create_log(partition, topic_id, directory, config.clone(), now_ms)?)
    }

    fn remove(&self, id: &TopicIdPartition) {
        let Some(Entry::Online(partition)) = self.hosted.write().remove(id) else {
            return;
        };
        partition.retire();
        self.cancel_move(partition.name());
        if let Err(error) = self.dirs.delete_log(&partition.log(), self.clock.now_ms()) {
            tracing::error!(partition = %partition.name(), %error, "a deleted partition's log stays on disk");
        }
    }

    /// Replicas whose log lies elsewhere than the image says, with the directory that they do lie in; of the partitions that
    /// the delta names.
    pub fn misplaced(&self, image: &Image, delta: &Delta) -> Vec<(TopicIdPartition, Uuid)> {
        let mut misplaced = Vec::new();
        for (topic_id, changed) in &delta.topics {
            let Some(topic) = image.topics.by_id(*topic_id) else {
                continue;
            };
            for index in &changed.partitions {
                let id = id_of(topic, *index);
                let said = topic
                    .partitions
                    .get(index)
                    .and_then(|state| state.directory_of(self.node_id));
                if let (Some(said), Some(partition)) = (said, self.get(&id)) {
                    let lies_in = partition.log().dir_id();
                    if lies_in != said {
                        misplaced.push((id, lies_in));
                    }
                }
            }
        }
        misplaced
    }

    fn apply_configs(&self, image: &Image, delta: &Delta) {
        let own_name = self.node_id.to_string();
        let is_ours = |name: &str| name.is_empty() || name == own_name;
        let broker_changed = delta
            .configs
            .iter()
            .any(|resource| resource.kind == ConfigKind::Broker && is_ours(&resource.name));
        if broker_changed {
            self.config.store(Arc::new(effective(&self.config.load(), image)));
        }
        let broker = self.config.load();
        for partition in self.all() {
            let name = &partition.name().topic;
            let is_named = |resource: &image::ConfigResource| {
                resource.kind == ConfigKind::Topic && resource.name == **name
            };
            if broker_changed || delta.configs.iter().any(is_named) {
                partition
                    .log()
                    .set_config(Arc::new(log_config(&broker, image, name)));
            }
        }
    }
}

fn id_of(topic: &Topic, partition: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: topic.id,
        partition,
    }
}
