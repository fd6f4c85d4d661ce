import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ReplicaInfo;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** The admin client on topics, their configs, their records and their replicas. */
final class TopicAdminSteps {
    private final Kafka kafka;

    TopicAdminSteps(Kafka kafka) {
        this.kafka = kafka;
    }

    void add(Map<String, Main.Step> steps) {
        steps.put("create-topics", this::createTopics);
        steps.put("topic-configs", this::topicConfigs);
        steps.put("create-partitions", this::createPartitions);
        steps.put("delete-records", this::deleteRecords);
        steps.put("list-offsets", this::listOffsets);
        steps.put("log-dirs", this::logDirs);
        steps.put("elect-leaders", this::electLeaders);
        steps.put("reassignments", this::reassignments);
        steps.put("delete-topics", this::deleteTopics);
    }

    private void createTopics() throws Exception {
        NewTopic topic = new NewTopic(kafka.name("created"), Optional.of(3), Optional.empty()).configs(Map.of("cleanup.policy", "compact"));
        CreateTopicsResult tried = kafka.admin.createTopics(List.of(topic), new CreateTopicsOptions().validateOnly(true));
        tried.all().get();
        Check.that(!kafka.admin.listTopics().names().get().contains(topic.name()), "validate-only created a topic");
        CreateTopicsResult created = kafka.admin.createTopics(List.of(topic));
        Check.equal(3, created.numPartitions(topic.name()).get(), "partitions");
        Check.equal(1, created.replicationFactor(topic.name()).get(), "replication factor by default");
        Check.equal("compact", created.config(topic.name()).get().get("cleanup.policy").value(), "cleanup.policy");
        Uuid id = created.topicId(topic.name()).get();
        Check.equal(id, kafka.admin.describeTopics(List.of(topic.name())).allTopicNames().get().get(topic.name()).topicId(), "topic id");
        Check.fails(TopicExistsException.class, () -> kafka.admin.createTopics(List.of(topic)).all().get());
        NewTopic wrong = new NewTopic(kafka.name("wrong"), 1, (short) 1).configs(Map.of("retention.ms", "soon"));
        Check.fails(InvalidConfigurationException.class, () -> kafka.admin.createTopics(List.of(wrong)).all().get());
        NewTopic assigned = new NewTopic(kafka.name("assigned"), Map.of(0, List.of(1), 1, List.of(1)));
        kafka.admin.createTopics(List.of(assigned)).all().get();
        Check.equal(2, kafka.partitionCount(assigned.name()), "partitions of a manual assignment");
    }

    private void topicConfigs() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, kafka.create("configs", 1, Map.of("segment.bytes", "2000000")));
        ConfigEntry segment = describe(topic).get("segment.bytes");
        Check.equal("2000000", segment.value(), "segment.bytes");
        Check.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, segment.source(), "source of segment.bytes");
        Check.equal(ConfigEntry.ConfigType.INT, segment.type(), "type of segment.bytes");
        Check.that(segment.documentation() != null && !segment.documentation().isBlank(), "segment.bytes has no documentation");
        List<String> synonyms = segment.synonyms().stream().map(ConfigEntry.ConfigSynonym::name).toList();
        Check.equal(List.of("segment.bytes", "log.segment.bytes"), synonyms, "synonyms of segment.bytes");
        ConfigEntry retention = describe(topic).get("retention.ms");
        Check.equal("604800000", retention.value(), "default of retention.ms");
        Check.equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, retention.source(), "source of retention.ms");
        alter(topic, op("retention.ms", "5000", OpType.SET), op("segment.bytes", null, OpType.DELETE), op("cleanup.policy", "compact", OpType.APPEND));
        Check.eventually("retention.ms=5000", () -> describe(topic).get("retention.ms").value().equals("5000"));
        Check.equal("1073741824", describe(topic).get("segment.bytes").value(), "segment.bytes after its deletion");
        Check.equal(Set.of("delete", "compact"), Set.of(describe(topic).get("cleanup.policy").value().split(",")), "cleanup.policy after append");
        Check.fails(InvalidConfigurationException.class, () -> alter(topic, op("retention.ms", "never", OpType.SET)));
        Check.fails(InvalidConfigurationException.class, () -> alter(topic, op("no.such.config", "1", OpType.SET)));
    }

    private void createPartitions() throws Exception {
        String topic = kafka.create("grow", 1, Map.of());
        kafka.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        Check.eventually("4 partitions", () -> kafka.partitionCount(topic) == 4);
        kafka.send(kafka.records(topic, 4, 0, 40), Map.of());
        Check.fails(InvalidPartitionsException.class, () -> kafka.admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all().get());
    }

    private void deleteRecords() throws Exception {
        TopicPartition partition = new TopicPartition(kafka.filled("trim", 2, "zstd"), 0);
        Check.equal(30L, trim(partition, 30), "low watermark");
        Check.equal(30L, offset(partition, OffsetSpec.earliest()), "earliest offset");
        try (var consumer = kafka.consumer(Map.of())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            Check.equal(30L, Kafka.poll(consumer, 70).get(0).offset(), "first record left");
        }
        Check.fails(org.apache.kafka.common.errors.OffsetOutOfRangeException.class, () -> trim(partition, 101));
        Check.equal(100L, trim(partition, -1), "low watermark after everything was deleted");
    }

    private long trim(TopicPartition partition, long before) throws Exception {
        return kafka.admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(before))).lowWatermarks().get(partition).get().lowWatermark();
    }

    private void listOffsets() throws Exception {
        String topic = kafka.filled("offsets", 2, "gzip");
        TopicPartition partition = new TopicPartition(topic, 0);
        Check.equal(0L, offset(partition, OffsetSpec.earliest()), "earliest");
        Check.equal(100L, offset(partition, OffsetSpec.latest()), "latest");
        Check.equal(21L, offset(partition, OffsetSpec.forTimestamp(kafka.baseMs + 41)), "for timestamp");
        Check.equal(-1L, offset(partition, OffsetSpec.forTimestamp(kafka.baseMs + 1_000_000)), "for a timestamp after the last record");
        Check.equal(0L, offset(partition, OffsetSpec.earliestLocal()), "earliest local");
        // No tiering here: nothing lies in remote storage.
        Check.equal(-1L, offset(partition, OffsetSpec.latestTiered()), "latest tiered");
        // A record that is late does not hold the greatest timestamp.
        kafka.send(List.of(kafka.records(topic, 2, 10, 1).get(0)), Map.of());
        var newest = kafka.admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get();
        Check.equal(99L, newest.offset(), "offset of the greatest timestamp");
        Check.equal(kafka.baseMs + 198, newest.timestamp(), "the greatest timestamp");
    }

    private long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return kafka.admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get().offset();
    }

    private void logDirs() throws Exception {
        TopicPartition partition = new TopicPartition(kafka.filled("dirs", 2, "none"), 1);
        Map<String, LogDirDescription> dirs = kafka.admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1);
        List<ReplicaInfo> replicas = dirs.values().stream()
            .map(dir -> dir.replicaInfos().get(partition)).filter(found -> found != null).toList();
        Check.equal(1, replicas.size(), "replicas of " + partition);
        Check.that(replicas.get(0).size() > 10_000, "size " + replicas.get(0).size());
        Check.equal(0L, replicas.get(0).offsetLag(), "offset lag");
        Check.equal(false, replicas.get(0).isFuture(), "is future");
        dirs.forEach((path, dir) -> Check.that(dir.totalBytes().orElse(0) > dir.usableBytes().orElse(0), "volume of " + path));
    }

    private void electLeaders() throws Exception {
        TopicPartition partition = new TopicPartition(kafka.create("elect", 1, Map.of()), 0);
        Optional<Throwable> outcome = kafka.admin.electLeaders(ElectionType.PREFERRED, Set.of(partition)).partitions().get().get(partition);
        Check.that(outcome.isPresent() && outcome.get() instanceof ElectionNotNeededException, "election: " + outcome);
        TopicPartition unknown = new TopicPartition(kafka.name("nowhere"), 0);
        outcome = kafka.admin.electLeaders(ElectionType.PREFERRED, Set.of(unknown)).partitions().get().get(unknown);
        Check.that(outcome.isPresent() && outcome.get() instanceof UnknownTopicOrPartitionException, "election of nothing: " + outcome);
    }

    private void reassignments() throws Exception {
        Check.equal(Map.of(), kafka.admin.listPartitionReassignments().reassignments().get(), "reassignments under way");
    }

    private void deleteTopics() throws Exception {
        String byName = kafka.create("gone-by-name", 1, Map.of());
        String byId = kafka.create("gone-by-id", 1, Map.of());
        Uuid id = kafka.admin.describeTopics(List.of(byId)).allTopicNames().get().get(byId).topicId();
        kafka.admin.deleteTopics(List.of(byName)).all().get();
        kafka.admin.deleteTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(id))).all().get();
        Check.eventually("both topics gone", () -> {
            Set<String> names = kafka.admin.listTopics().names().get();
            return !names.contains(byName) && !names.contains(byId);
        });
        Check.fails(UnknownTopicOrPartitionException.class, () -> kafka.admin.deleteTopics(List.of(byName)).all().get());
    }

    private Config describe(ConfigResource resource) throws Exception {
        DescribeConfigsOptions options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        return kafka.admin.describeConfigs(List.of(resource), options).all().get().get(resource);
    }

    private Void alter(ConfigResource resource, AlterConfigOp... ops) throws Exception {
        Collection<AlterConfigOp> all = List.of(ops);
        return kafka.admin.incrementalAlterConfigs(Map.of(resource, all)).all().get();
    }

    private static AlterConfigOp op(String key, String value, OpType type) {
        return new AlterConfigOp(new ConfigEntry(key, value), type);
    }
}
