// Writes something of everything into a cluster, adds to it, and says all that a client can see of it: what tools/takeover.py compares
// before and after the brokers change. Called like a console tool:
//   TakeoverData seed <server> | seed-small <server> | seed-security <server> | more <server> <round> | finish <server> | show <server>
// `show` prints one fact a line. Lines of groups and security that only Apache Kafka answers so far start with "later ".

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class TakeoverData {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    /** Old timestamps, so that lookups by time do not depend on the clock; the topics keep them for ever. */
    private static final long FIRST_MS = 1_700_000_000_000L;

    private final String server;
    private final Admin admin;

    private TakeoverData(String server) {
        this.server = server;
        this.admin = Admin.create(Map.of("bootstrap.servers", server));
    }

    public static void main(String[] args) throws Exception {
        TakeoverData data = new TakeoverData(args[1]);
        try (data.admin) {
            switch (args[0]) {
                case "seed" -> data.seed();
                case "seed-small" -> data.seedSmall();
                case "seed-security" -> data.seedSecurity();
                case "more" -> data.more(args[2]);
                case "finish" -> data.finish();
                case "show" -> data.show().forEach(System.out::println);
                default -> throw new IllegalArgumentException(args[0]);
            }
        }
    }

    // ---- what is written

    private void seed() throws Exception {
        seedSmall();
        admin.createTopics(List.of(new NewTopic("gone", 2, (short) 1), new NewTopic("open", 1, (short) 1).configs(Map.of("retention.ms", "-1")))).all().get();
        send(Map.of(), "gone", 2, 20, 20);
        transactions();
        openTransaction();
        newGroups();
        // What is left of it are directories named -delete; with the default delay they are there for a minute.
        admin.deleteTopics(List.of("gone")).all().get();
    }

    /** What a cluster of any metadata.version takes. */
    private void seedSmall() throws Exception {
        Map<String, String> kept = Map.of("retention.ms", "-1", "segment.bytes", "1048576");
        List<NewTopic> topics = new ArrayList<>();
        CODECS.forEach(codec -> topics.add(new NewTopic("codec-" + codec, 1, (short) 1).configs(kept)));
        List.of("cut", "txn", "offsets").forEach(name -> topics.add(new NewTopic(name, 2, (short) 1).configs(kept)));
        topics.add(new NewTopic("mixed.name_with-all", 3, (short) 1).configs(Map.of("cleanup.policy", "compact", "compression.type", "zstd", "retention.ms", "-1")));
        topics.add(new NewTopic("empty", 2, (short) 1));
        admin.createTopics(topics).all().get();
        for (String codec : CODECS) {
            send(Map.of("compression.type", codec), "codec-" + codec, 1, codec.equals("none") ? 3000 : 300, codec.equals("none") ? 1000 : 100);
        }
        send(Map.of(), "mixed.name_with-all", 3, 90, 40);
        send(Map.of(), "offsets", 2, 40, 20);
        send(Map.of(), "cut", 2, 2600, 1000);
        admin.deleteRecords(Map.of(new TopicPartition("cut", 0), RecordsToDelete.beforeOffset(1200), new TopicPartition("cut", 1), RecordsToDelete.beforeOffset(7))).all().get();
        configs();
        readSome(Map.of("group.id", "classic-group"), 7);
        admin.alterConsumerGroupOffsets("simple-group", Map.of(new TopicPartition("offsets", 1), new OffsetAndMetadata(5, Optional.of(0), "by hand"))).all().get();
    }

    private void seedSecurity() throws Exception {
        ClientQuotaEntity user = new ClientQuotaEntity(Map.of("user", "alice", "client-id", "app"));
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(user, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 123456.0))))).all().get();
        admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("alice", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
        admin.createAcls(List.of(new AclBinding(new ResourcePattern(ResourceType.TOPIC, "codec-", PatternType.PREFIXED),
            new AccessControlEntry("User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW)))).all().get();
    }

    /** Keys, tombstones, headers, and a timestamp a second later for each record. */
    private void send(Map<String, Object> settings, String topic, int partitions, int count, int valueBytes) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(settings)) {
            for (int i = 0; i < count; i++) {
                producer.send(record(topic, i % partitions, i, valueBytes));
            }
        }
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, int partition, int i, int valueBytes) {
        byte[] value = i % 10 == 9 ? null : ("value " + i + " ").repeat(valueBytes / 8 + 1).getBytes(StandardCharsets.UTF_8);
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, partition, FIRST_MS + i * 1000L, ("key " + i % 17).getBytes(StandardCharsets.UTF_8), value);
        record.headers().add("n", Integer.toString(i).getBytes(StandardCharsets.UTF_8)).add("null", null);
        return record;
    }

    /** Committed, aborted, committed, and offsets committed in a transaction. */
    private void transactions() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("transactional.id", "takeover-txn", "linger.ms", 0))) {
            producer.initTransactions();
            try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("group.id", "txn-group"))) {
                for (int n = 0; n < 4; n++) {
                    producer.beginTransaction();
                    for (int i = 0; i < 10; i++) {
                        producer.send(record("txn", i % 2, n * 10 + i, 30));
                    }
                    if (n % 2 == 0) {
                        producer.sendOffsetsToTransaction(Map.of(new TopicPartition("offsets", 0), new OffsetAndMetadata(n + 1)), consumer.groupMetadata());
                        producer.commitTransaction();
                    } else {
                        producer.flush();
                        producer.abortTransaction();
                    }
                }
            }
        }
        send(Map.of(), "txn", 2, 10, 30);
    }

    /** Left open: what lies behind its first record is not for readers of committed data, whoever serves them. */
    private void openTransaction() throws Exception {
        send(Map.of(), "open", 1, 5, 30);
        KafkaProducer<byte[], byte[]> producer = producer(Map.of("transactional.id", "takeover-open", "transaction.timeout.ms", 900_000));
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(record("open", 0, 5, 30)).get();
        producer.close(Duration.ZERO);
        send(Map.of(), "open", 1, 5, 30);
    }

    /** The next producer of that transactional id: the open transaction is aborted, and readers come to the end. */
    private void finish() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(Map.of("transactional.id", "takeover-open"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(record("open", 0, 6, 30));
            producer.commitTransaction();
        }
    }

    private void configs() throws Exception {
        Map<ConfigResource, Collection<AlterConfigOp>> changes = Map.of(
            new ConfigResource(ConfigResource.Type.BROKER, ""), set("log.cleaner.threads", "2"),
            new ConfigResource(ConfigResource.Type.BROKER, "1"), set("message.max.bytes", "2000000"),
            new ConfigResource(ConfigResource.Type.GROUP, "next-group"), set("consumer.session.timeout.ms", "50000"),
            new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "sub"), set("interval.ms", "5000"));
        admin.incrementalAlterConfigs(changes).all().get();
    }

    private static Collection<AlterConfigOp> set(String name, String value) {
        return List.of(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET));
    }

    private void newGroups() throws Exception {
        readSome(Map.of("group.id", "next-group", "group.protocol", "consumer"), 9);
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, "share-group"), set("share.auto.offset.reset", "earliest"))).all().get();
        Map<String, Object> settings = Map.of("bootstrap.servers", server, "group.id", "share-group",
            "key.deserializer", ByteArrayDeserializer.class, "value.deserializer", ByteArrayDeserializer.class);
        try (KafkaShareConsumer<byte[], byte[]> consumer = new KafkaShareConsumer<>(settings)) {
            consumer.subscribe(List.of("offsets"));
            for (int polls = 0; polls < 100 && consumer.poll(Duration.ofMillis(200)).isEmpty(); polls++) {
                continue;
            }
            consumer.commitSync();
        }
    }

    /** Subscribes, reads until there is something, commits `offset` for partition 0 of "offsets", and leaves. */
    private void readSome(Map<String, Object> settings, long offset) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(settings)) {
            consumer.subscribe(List.of("offsets"));
            for (int polls = 0; polls < 100 && consumer.poll(Duration.ofMillis(200)).isEmpty(); polls++) {
                continue;
            }
            consumer.commitSync(Map.of(new TopicPartition("offsets", 0), new OffsetAndMetadata(offset, "round " + offset)));
        }
    }

    /** What an ordinary day adds: records, a commit by a member of a group, a topic, a config. */
    private void more(String round) throws Exception {
        int n = Integer.parseInt(round);
        for (String codec : CODECS) {
            send(Map.of("compression.type", codec), "codec-" + codec, 1, 50, codec.equals("none") ? 1000 : 100);
        }
        send(Map.of(), "cut", 2, 300, 1000);
        send(Map.of(), "txn", 2, 6, 30);
        admin.deleteRecords(Map.of(new TopicPartition("cut", 1), RecordsToDelete.beforeOffset(20 + n))).all().get();
        admin.createTopics(List.of(new NewTopic("round-" + n, 2, (short) 1).configs(Map.of("retention.ms", "-1")))).all().get();
        send(Map.of("acks", "all"), "round-" + n, 2, 20, 50);
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, "empty"), set("retention.ms", Integer.toString(1000000 + n)))).all().get();
        readSome(Map.of("group.id", "classic-group"), 8 + n);
        if (hasNextGroup()) {
            readSome(Map.of("group.id", "next-group", "group.protocol", "consumer"), 10 + n);
        }
    }

    // ---- what is seen

    private Set<String> show() throws Exception {
        Set<String> facts = new TreeSet<>();
        facts.add("cluster " + admin.describeCluster().clusterId().get());
        Set<String> names = admin.listTopics(new org.apache.kafka.clients.admin.ListTopicsOptions().listInternal(true)).names().get();
        List<TopicPartition> partitions = new ArrayList<>();
        admin.describeTopics(names).allTopicNames().get().forEach((name, topic) -> {
            facts.add("topic " + name + " " + topic.topicId() + " " + topic.isInternal());
            topic.partitions().forEach(p -> {
                facts.add("partition " + name + "-" + p.partition() + " leader " + p.leader().id() + " isr " + p.isr().size());
                if (!topic.isInternal()) {
                    partitions.add(new TopicPartition(name, p.partition()));
                }
            });
        });
        showConfigs(facts, names);
        showOffsets(facts, partitions);
        for (String isolation : List.of("read_uncommitted", "read_committed")) {
            try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("isolation.level", isolation, "max.poll.records", 10000, "fetch.max.wait.ms", 10))) {
                for (TopicPartition partition : partitions) {
                    facts.add("data " + partition + " " + isolation + " " + digest(consumer, partition, isolation));
                }
            }
        }
        showGroups(facts);
        showSecurity(facts);
        return facts;
    }

    private void showConfigs(Set<String> facts, Set<String> topics) throws Exception {
        List<ConfigResource> resources = new ArrayList<>();
        topics.forEach(name -> resources.add(new ConfigResource(ConfigResource.Type.TOPIC, name)));
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, ""));
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, "1"));
        resources.add(new ConfigResource(ConfigResource.Type.GROUP, "next-group"));
        resources.add(new ConfigResource(ConfigResource.Type.GROUP, "share-group"));
        resources.add(new ConfigResource(ConfigResource.Type.CLIENT_METRICS, "sub"));
        admin.describeConfigs(resources).all().get().forEach((resource, config) -> config.entries().stream()
            .filter(entry -> entry.source().toString().startsWith("DYNAMIC") || resource.type() == ConfigResource.Type.TOPIC)
            .forEach(entry -> facts.add("config " + resource.type() + " " + resource.name() + " " + entry.name() + "=" + entry.value() + " " + entry.source())));
    }

    private void showOffsets(Set<String> facts, List<TopicPartition> partitions) throws Exception {
        Map<String, OffsetSpec> specs = new TreeMap<>(Map.of("earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest(), "max", OffsetSpec.maxTimestamp(),
            "time-10", OffsetSpec.forTimestamp(FIRST_MS + 10_000), "time-2500", OffsetSpec.forTimestamp(FIRST_MS + 2_500_500)));
        for (Map.Entry<String, OffsetSpec> spec : specs.entrySet()) {
            // Below the log's start Apache Kafka answers -1 as long as the segment is there, and the log's start afterwards.
            Map<TopicPartition, OffsetSpec> query = partitions.stream().filter(p -> !(p.topic().equals("cut") && spec.getKey().equals("time-10")))
                .collect(Collectors.toMap(p -> p, p -> spec.getValue()));
            admin.listOffsets(query).all().get().forEach((p, found) ->
                facts.add("offset " + p + " " + spec.getKey() + " " + found.offset() + " " + found.timestamp()));
        }
    }

    private String digest(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, String isolation) throws Exception {
        IsolationLevel level = isolation.equals("read_committed") ? IsolationLevel.READ_COMMITTED : IsolationLevel.READ_UNCOMMITTED;
        long end = admin.listOffsets(Map.of(partition, OffsetSpec.latest()), new ListOffsetsOptions(level)).partitionResult(partition).get().offset();
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        int count = 0;
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
        while (consumer.position(partition) < end) {
            if (System.nanoTime() > deadline) {
                return "stuck at " + consumer.position(partition) + " of " + end;
            }
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                count++;
                update(sha, record);
            }
        }
        return count + " records to " + end + " " + HexFormat.of().formatHex(sha.digest());
    }

    private static void update(MessageDigest sha, ConsumerRecord<byte[], byte[]> record) {
        sha.update((record.offset() + " " + record.timestamp() + " " + record.timestampType() + "\n").getBytes(StandardCharsets.UTF_8));
        sha.update(record.key() == null ? new byte[] {0} : record.key());
        sha.update(record.value() == null ? new byte[] {1} : record.value());
        record.headers().forEach(header -> {
            sha.update(header.key().getBytes(StandardCharsets.UTF_8));
            sha.update(header.value() == null ? new byte[] {2} : header.value());
        });
    }

    private void showGroups(Set<String> facts) throws Exception {
        List<String> groups = List.of("classic-group", "simple-group", "txn-group", "next-group");
        Map<String, ListConsumerGroupOffsetsSpec> specs = groups.stream().collect(Collectors.toMap(g -> g, g -> new ListConsumerGroupOffsetsSpec()));
        admin.listConsumerGroupOffsets(specs).all().get().forEach((group, offsets) -> offsets.forEach((p, offset) ->
            facts.add("committed " + group + " " + p + " " + offset)));
        admin.listGroups().all().get().forEach(group -> {
            boolean later = group.groupId().equals("share-group") || group.groupId().equals("streams-group");
            facts.add((later ? "later " : "") + "group " + group.groupId() + " " + group.type() + " " + group.protocol());
        });
        if (hasNextGroup()) {
            ConsumerGroupDescription group = admin.describeConsumerGroups(List.of("next-group")).all().get().get("next-group");
            facts.add("described " + group.groupId() + " " + group.type() + " " + group.groupState() + " epoch " + group.groupEpoch() + " assignor " + group.partitionAssignor());
        }
        try {
            admin.listShareGroupOffsets(Map.of("share-group", new ListShareGroupOffsetsSpec())).all().get().get("share-group").forEach((p, offset) ->
                facts.add("later share " + p + " " + offset));
        } catch (Exception notYet) {
            facts.add("later share " + notYet.getMessage());
        }
    }

    /** Clusters of older features have no groups of the consumer protocol. */
    private boolean hasNextGroup() throws Exception {
        return admin.listGroups().all().get().stream().anyMatch(group -> group.groupId().equals("next-group"));
    }

    private void showSecurity(Set<String> facts) {
        try {
            admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().forEach((entity, quota) -> facts.add("later quota " + entity.entries() + " " + quota));
            admin.describeUserScramCredentials().all().get().forEach((user, credentials) -> facts.add("later scram " + credentials));
            admin.describeAcls(AclBindingFilter.ANY).values().get().forEach(acl -> facts.add("later acl " + acl));
        } catch (Exception failure) {
            if (!(failure.getCause() instanceof SecurityDisabledException)) {
                facts.add("later security " + failure.getMessage());
            }
        }
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> settings) {
        Map<String, Object> all = new TreeMap<>(Map.of("bootstrap.servers", server, "key.serializer", ByteArraySerializer.class,
            "value.serializer", ByteArraySerializer.class, "linger.ms", 5));
        all.putAll(settings);
        return new KafkaProducer<>(all);
    }

    private KafkaConsumer<byte[], byte[]> consumer(Map<String, Object> settings) {
        Map<String, Object> all = new TreeMap<>(Map.of("bootstrap.servers", server, "key.deserializer", ByteArrayDeserializer.class,
            "value.deserializer", ByteArrayDeserializer.class, "auto.offset.reset", "earliest", "enable.auto.commit", "false"));
        all.putAll(settings);
        return new KafkaConsumer<>(all);
    }
}
