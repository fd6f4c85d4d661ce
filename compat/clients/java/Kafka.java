import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What every step needs: the clients, and the records of ../README.md. */
final class Kafka {
    static final int RECORD_COUNT = 200;

    final String prefix;
    final long baseMs = System.currentTimeMillis() - 3_600_000;
    final Admin admin;
    private final String bootstrap;

    Kafka(String bootstrap, String prefix) {
        this.bootstrap = bootstrap;
        this.prefix = prefix;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "30000"));
    }

    String name(String suffix) {
        return prefix + "-" + suffix;
    }

    /** Creates the topic and returns its name. */
    String create(String suffix, int partitions, Map<String, String> configs) throws Exception {
        String topic = name(suffix);
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        Check.eventually(partitions + " partitions of " + topic, () -> partitionCount(topic) == partitions);
        return topic;
    }

    int partitionCount(String topic) throws Exception {
        if (!admin.listTopics().names().get().contains(topic)) {
            return 0;
        }
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    /** Record i goes to partition i % partitions, one millisecond after record i - 1; sizes vary, one key in ten is null. */
    List<ProducerRecord<String, String>> records(String topic, int partitions, int first, int count) {
        return IntStream.range(first, first + count).mapToObj(i -> {
            List<Header> headers = List.of(
                new RecordHeader("n", Integer.toString(i).getBytes()), new RecordHeader("bytes", new byte[] {0, (byte) 255, (byte) i}));
            String key = i % 10 == 9 ? null : "key-" + i;
            return new ProducerRecord<>(topic, i % partitions, baseMs + i, key, "value-" + i + " " + "compressible text, ".repeat(i % 20), headers);
        }).collect(Collectors.toList());
    }

    KafkaProducer<String, String> producer(Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(config);
        all.put("bootstrap.servers", bootstrap);
        return new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
    }

    /** Sends everything and returns what was acknowledged, in the order it was sent. */
    List<RecordMetadata> send(List<ProducerRecord<String, String>> records, Map<String, Object> config) throws Exception {
        try (KafkaProducer<String, String> producer = producer(config)) {
            List<Future<RecordMetadata>> futures = new ArrayList<>();
            for (ProducerRecord<String, String> record : records) {
                futures.add(producer.send(record));
            }
            List<RecordMetadata> acked = new ArrayList<>();
            for (Future<RecordMetadata> future : futures) {
                acked.add(future.get());
            }
            return acked;
        }
    }

    /** Creates the topic, fills it, and compares what comes back, field by field. */
    String filled(String suffix, int partitions, String codec) throws Exception {
        String topic = create(suffix, partitions, Map.of());
        List<ProducerRecord<String, String>> sent = records(topic, partitions, 0, RECORD_COUNT);
        List<RecordMetadata> acked = send(sent, Map.of("compression.type", codec, "linger.ms", 20));
        List<String> want = new ArrayList<>();
        for (int i = 0; i < sent.size(); i++) {
            Check.equal((long) (i / partitions), acked.get(i).offset(), "acknowledged offset of record " + i);
            want.add(describe(sent.get(i), i / partitions));
        }
        List<TopicPartition> all = IntStream.range(0, partitions).mapToObj(p -> new TopicPartition(topic, p)).toList();
        try (KafkaConsumer<String, String> consumer = consumer(Map.of())) {
            consumer.assign(all);
            consumer.seekToBeginning(all);
            List<String> got = poll(consumer, RECORD_COUNT).stream().map(Kafka::describe).toList();
            Check.equal(new TreeSet<>(want), new TreeSet<>(got), "records of " + topic);
            Check.equal(want.size(), got.size(), "number of records of " + topic);
        }
        return topic;
    }

    KafkaConsumer<String, String> consumer(Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("enable.auto.commit", false, "heartbeat.interval.ms", 300, "session.timeout.ms", 10_000));
        all.putAll(config);
        return bareConsumer(all);
    }

    /** Without what only members of classic groups may set. */
    KafkaConsumer<String, String> bareConsumer(Map<String, Object> config) {
        Map<String, Object> all = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "earliest", "fetch.max.wait.ms", 100));
        all.putAll(config);
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    /** Polls until `count` records came; more than that is a failure. */
    static List<ConsumerRecord<String, String>> poll(KafkaConsumer<String, String> consumer, int count) throws Exception {
        List<ConsumerRecord<String, String>> got = new ArrayList<>();
        Check.eventually(count + " records", () -> {
            consumer.poll(Duration.ofMillis(100)).forEach(got::add);
            return got.size() >= count;
        });
        Check.equal(count, got.size(), "number of records polled");
        return got;
    }

    static List<String> values(Collection<ConsumerRecord<String, String>> records) {
        return records.stream().map(ConsumerRecord::value).sorted().toList();
    }

    static Set<Integer> partitions(KafkaConsumer<String, String> consumer) {
        return consumer.assignment().stream().map(TopicPartition::partition).collect(Collectors.toSet());
    }

    private static String describe(ProducerRecord<String, String> r, long offset) {
        return r.partition() + "/" + offset + " " + r.timestamp() + " " + r.key() + " " + headers(r.headers()) + " " + r.value();
    }

    private static String describe(ConsumerRecord<String, String> r) {
        return r.partition() + "/" + r.offset() + " " + r.timestamp() + " " + r.key() + " " + headers(r.headers()) + " " + r.value();
    }

    private static String headers(Iterable<Header> headers) {
        StringBuilder text = new StringBuilder();
        for (Header header : headers) {
            text.append(header.key()).append('=').append(java.util.Arrays.toString(header.value()));
        }
        return text.toString();
    }

    /** A rebalance listener that remembers what was ever taken away from its member. */
    static final class Revocations implements ConsumerRebalanceListener {
        final Set<Integer> revoked = new HashSet<>();

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            partitions.forEach(p -> revoked.add(p.partition()));
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        }
    }
}
