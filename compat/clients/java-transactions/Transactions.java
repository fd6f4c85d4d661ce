import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A transactional producer and its consumers. Compiles with the clients of 3.5 and of 4.3, which speak the protocols of before and since
 * KIP-890. Arguments: BOOTSTRAP PREFIX NAME OTHERS RAISES. Programs that run at the same time have the same PREFIX and another NAME;
 * OTHERS are the names of all, joined by commas. RAISES says whether the end of each transaction raises the epoch.
 */
public final class Transactions {
    private static final int ROUNDS = 24;
    private static final Set<Class<?>> REFUSALS =
        Set.of(ProducerFencedException.class, InvalidProducerEpochException.class, InvalidTxnStateException.class);

    private interface Step {
        void run() throws Exception;
    }

    private final String bootstrap;
    private final String prefix;
    private final String name;
    private final List<String> names;
    private final boolean raises;

    private Transactions(String[] args) {
        bootstrap = args[0];
        prefix = args[1];
        name = args[2];
        names = List.of(args[3].split(","));
        raises = Boolean.parseBoolean(args[4]);
    }

    public static void main(String[] args) {
        Transactions steps = new Transactions(args);
        Map<String, Step> all = new LinkedHashMap<>();
        all.put("mixed", steps::mixed);
        all.put("move", steps::move);
        all.put("fenced", steps::fenced);
        all.put("stable", steps::stable);
        all.put("late", steps::late);
        all.put("epochs", steps::epochs);
        boolean failed = false;
        for (Map.Entry<String, Step> step : all.entrySet()) {
            try {
                step.getValue().run();
                System.out.println("ok " + step.getKey());
            } catch (Throwable thrown) { // an assertion that fails must not hide the steps after it
                failed = true;
                thrown.printStackTrace();
                System.out.println("FAIL " + step.getKey() + " " + thrown.toString().replace('\n', ' '));
            }
        }
        System.out.flush();
        System.err.flush();
        Runtime.getRuntime().halt(failed ? 1 : 0);
    }

    /** All programs write into one topic, every third transaction in vain; each reads what all have committed, in order. */
    private void mixed() throws Exception {
        String topic = create(prefix + "-mixed", 2);
        try (KafkaProducer<String, String> producer = begin(own("mixed"), 60_000)) {
            for (int n = 0; n < ROUNDS; n++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, 0, null, name + "/" + n));
                producer.send(new ProducerRecord<>(topic, 1, null, name + "/" + n));
                if (n % 3 == 2) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        for (int partition = 0; partition < 2; partition++) {
            List<String> read = read(topic, partition, names.size() * ROUNDS * 2 / 3);
            for (String one : names) {
                List<String> want = new ArrayList<>();
                for (int n = 0; n < ROUNDS; n++) {
                    if (n % 3 != 2) {
                        want.add(one + "/" + n);
                    }
                }
                Check.equal(want, read.stream().filter(value -> value.startsWith(one + "/")).toList(), "committed by " + one);
            }
        }
    }

    /** From one topic into another, the offsets in the same transactions; some are aborted, and done again. */
    private void move() throws Exception {
        String source = create(own("source"), 1);
        String sink = create(own("sink"), 1);
        List<String> want = new ArrayList<>();
        try (KafkaProducer<String, String> producer = plain()) {
            for (int n = 0; n < 60; n++) {
                producer.send(new ProducerRecord<>(source, String.valueOf(n)));
                want.add("moved " + n);
            }
        }
        TopicPartition partition = new TopicPartition(source, 0);
        try (KafkaProducer<String, String> producer = begin(own("mover"), 60_000);
             KafkaConsumer<String, String> consumer = consumer(own("mover"), Map.of("max.poll.records", 7))) {
            consumer.subscribe(List.of(source));
            long deadline = System.nanoTime() + Check.WAIT.toNanos();
            long moved = 0;
            for (int turn = 0; moved < want.size(); ) {
                Check.that(System.nanoTime() < deadline, "moved " + moved);
                List<ConsumerRecord<String, String>> records = consumer.poll(Duration.ofMillis(100)).records(partition);
                if (records.isEmpty()) {
                    continue;
                }
                producer.beginTransaction();
                records.forEach(record -> producer.send(new ProducerRecord<>(sink, "moved " + record.value())));
                long next = records.get(records.size() - 1).offset() + 1;
                producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(next)), consumer.groupMetadata());
                if (turn++ % 3 == 1) {
                    producer.abortTransaction();
                    consumer.seek(partition, moved);
                } else {
                    producer.commitTransaction();
                    moved = next;
                    Check.equal(next, consumer.committed(Set.of(partition)).get(partition).offset(), "committed offset");
                }
            }
        }
        Check.equal(want, read(sink, 0, want.size()), "moved");
    }

    /** A second producer with the same id takes over: the first can do nothing any more. */
    private void fenced() throws Exception {
        String topic = create(own("fenced"), 1);
        try (KafkaProducer<String, String> first = begin(own("fenced"), 60_000)) {
            first.beginTransaction();
            first.send(new ProducerRecord<>(topic, "lost")).get();
            try (KafkaProducer<String, String> second = begin(own("fenced"), 60_000)) {
                refused(() -> {
                    first.send(new ProducerRecord<>(topic, "lost too"));
                    first.commitTransaction();
                });
                second.beginTransaction();
                second.send(new ProducerRecord<>(topic, "kept"));
                second.commitTransaction();
            }
        }
        Check.equal(List.of("kept"), read(topic, 0, 1), "committed");
    }

    /** Readers of committed data stop where a transaction is open; others do not. */
    private void stable() throws Exception {
        String topic = create(own("stable"), 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<String, String> open = begin(own("open"), 60_000);
             KafkaProducer<String, String> other = plain();
             KafkaConsumer<String, String> committed = consumer(own("stable"), Map.of());
             KafkaConsumer<String, String> all = consumer(own("stable"), Map.of("isolation.level", "read_uncommitted"))) {
            other.send(new ProducerRecord<>(topic, "before")).get();
            open.beginTransaction();
            open.send(new ProducerRecord<>(topic, "open")).get();
            other.send(new ProducerRecord<>(topic, "behind")).get();
            Check.equal(1L, committed.endOffsets(Set.of(partition)).get(partition), "end of what is stable");
            Check.equal(3L, all.endOffsets(Set.of(partition)).get(partition), "end of all");
            Check.equal(List.of("before"), read(topic, 0, 1), "readers stop at the open transaction");
            open.abortTransaction();
            Check.equal(List.of("before", "behind"), read(topic, 0, 2), "what was aborted is passed over");
        }
    }

    /** A transaction that its coordinator has ended cannot be committed. */
    private void late() throws Exception {
        String topic = create(own("late"), 1);
        try (KafkaProducer<String, String> slow = begin(own("late"), 500)) {
            slow.beginTransaction();
            slow.send(new ProducerRecord<>(topic, "late")).get();
            Check.eventually("out of time", () -> state("late").state().toString().equals("CompleteAbort"));
            refused(slow::commitTransaction);
        }
        try (KafkaProducer<String, String> next = begin(own("late"), 60_000)) {
            next.beginTransaction();
            next.send(new ProducerRecord<>(topic, "in time"));
            next.commitTransaction();
        }
        Check.equal(List.of("in time"), read(topic, 0, 1), "committed");
    }

    private void epochs() throws Exception {
        String topic = create(own("epochs"), 1);
        Set<Integer> epochs = new TreeSet<>();
        try (KafkaProducer<String, String> producer = begin(own("epochs"), 60_000)) {
            for (int n = 0; n < 4; n++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, String.valueOf(n))).get();
                epochs.add(state("epochs").producerEpoch());
                producer.commitTransaction();
            }
        }
        Check.equal(raises ? Set.of(0, 1, 2, 3) : Set.of(0), epochs, "epochs of four transactions");
    }

    private org.apache.kafka.clients.admin.TransactionDescription state(String suffix) throws Exception {
        try (Admin admin = admin()) {
            return admin.describeTransactions(List.of(own(suffix))).description(own(suffix)).get();
        }
    }

    /** At once, or as the cause of what the producer says of its state. */
    private static void refused(Runnable act) {
        try {
            act.run();
        } catch (KafkaException thrown) {
            Throwable why = REFUSALS.contains(thrown.getClass()) ? thrown : thrown.getCause();
            Check.that(why != null && REFUSALS.contains(why.getClass()), "refused with " + thrown);
            return;
        }
        throw new AssertionError("whoever was fenced commits");
    }

    private String own(String suffix) {
        return prefix + "-" + name + "-" + suffix;
    }

    /** Others may have made it. */
    private String create(String topic, int partitions) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        } catch (java.util.concurrent.ExecutionException failed) {
            Check.that(failed.getCause() instanceof TopicExistsException, String.valueOf(failed.getCause()));
        }
        return topic;
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    private KafkaProducer<String, String> begin(String transactionalId, int timeoutMs) {
        KafkaProducer<String, String> producer = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap, "transactional.id", transactionalId,
            "transaction.timeout.ms", timeoutMs, "retry.backoff.ms", 20), new StringSerializer(), new StringSerializer());
        producer.initTransactions();
        return producer;
    }

    private KafkaProducer<String, String> plain() {
        return new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap), new StringSerializer(), new StringSerializer());
    }

    private KafkaConsumer<String, String> consumer(String group, Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "isolation.level", "read_committed"));
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    /** What a reader of committed data has when it has read so many records and, after that, nothing more comes. */
    private List<String> read(String topic, int partition, int count) throws Exception {
        TopicPartition from = new TopicPartition(topic, partition);
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = consumer(own("reader"), Map.of())) {
            consumer.assign(List.of(from));
            consumer.seek(from, 0);
            Check.eventually(count + " records of " + from, () -> {
                consumer.poll(Duration.ofMillis(50)).forEach(record -> values.add(record.value()));
                return values.size() >= count;
            });
            consumer.poll(Duration.ofMillis(200)).forEach(record -> values.add(record.value()));
        }
        return values;
    }
}
