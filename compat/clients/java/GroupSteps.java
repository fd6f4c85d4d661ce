import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Consumers in classic groups. */
final class GroupSteps {
    private static final Map<String, Object> COOPERATIVE = Map.of("partition.assignment.strategy", CooperativeStickyAssignor.class.getName());

    private final Kafka kafka;
    /** The first values of the group, kept from the step `group` for the step `resume`. */
    private List<String> first = List.of();

    GroupSteps(Kafka kafka) {
        this.kafka = kafka;
    }

    void add(Map<String, Main.Step> steps) {
        steps.put("group", this::group);
        steps.put("resume", this::resume);
        steps.put("rebalance", () -> rebalance("eager", Map.of()));
        steps.put("rebalance-cooperative", () -> rebalance("cooperative", COOPERATIVE));
        steps.put("static-membership", this::staticMembership);
        steps.put("commit-metadata", this::commitMetadata);
    }

    private void group() throws Exception {
        first = consumeAndCommit(kafka.filled("group", 2, "none"), kafka.name("g"), 80);
    }

    private void resume() throws Exception {
        String topic = kafka.name("group");
        List<String> all = new ArrayList<>(first);
        all.addAll(consumeAndCommit(topic, kafka.name("g"), Kafka.RECORD_COUNT - 80));
        List<String> want = kafka.records(topic, 2, 0, Kafka.RECORD_COUNT).stream().map(ProducerRecord::value).sorted().toList();
        Check.equal(want, all.stream().sorted().toList(), "values before and after the commit");
    }

    private void rebalance(String suffix, Map<String, Object> config) throws Exception {
        String topic = kafka.create("rebalance-" + suffix, 4, Map.of());
        String group = kafka.name("rg-" + suffix);
        Kafka.Revocations revocations = new Kafka.Revocations();
        try (KafkaConsumer<String, String> a = consumer(group, config)) {
            a.subscribe(List.of(topic), revocations);
            pumpUntil("one member owns all 4 partitions", () -> Kafka.partitions(a).size() == 4, a);
            try (KafkaConsumer<String, String> b = consumer(group, config)) {
                b.subscribe(List.of(topic));
                pumpUntil("2 partitions each", () -> Kafka.partitions(a).size() == 2 && Kafka.partitions(b).size() == 2, a, b);
                Set<Integer> both = new HashSet<>(Kafka.partitions(a));
                both.addAll(Kafka.partitions(b));
                Check.equal(Set.of(0, 1, 2, 3), both, "partitions of both members");
                // Cooperative members keep what they can; eager ones give up everything first.
                Check.equal(config.isEmpty() ? 4 : 2, revocations.revoked.size(), "partitions revoked from the first member");
                pumpUntil("stable", () -> describe(group).state().toString().equals("Stable"), a, b);
                Check.equal(2, describe(group).members().size(), "members of the stable group");
            }
            pumpUntil("the one that stays takes over", () -> Kafka.partitions(a).size() == 4, a);
            kafka.send(kafka.records(topic, 4, 0, 40), Map.of());
            Set<Integer> from = Kafka.poll(a, 40).stream().map(ConsumerRecord::partition).collect(Collectors.toSet());
            Check.equal(Set.of(0, 1, 2, 3), from, "partitions read after the take-over");
        }
        Check.equal("Empty", describe(group).state().toString(), "state after both left");
    }

    /** A static member that comes back within its session timeout gets its partitions without a rebalance of the other. */
    private void staticMembership() throws Exception {
        String topic = kafka.create("static", 4, Map.of());
        String group = kafka.name("static-g");
        try (KafkaConsumer<String, String> a = consumer(group, Map.of("group.instance.id", "a"))) {
            a.subscribe(List.of(topic));
            KafkaConsumer<String, String> b = consumer(group, Map.of("group.instance.id", "b"));
            b.subscribe(List.of(topic));
            pumpUntil("2 partitions each", () -> Kafka.partitions(a).size() == 2 && Kafka.partitions(b).size() == 2, a, b);
            pumpUntil("stable", () -> describe(group).state().toString().equals("Stable"), a, b);
            Set<Integer> owned = Kafka.partitions(b);
            int generation = a.groupMetadata().generationId();
            b.close(); // a static member does not leave
            try (KafkaConsumer<String, String> again = consumer(group, Map.of("group.instance.id", "b"))) {
                again.subscribe(List.of(topic));
                pumpUntil("the member is back with its partitions", () -> Kafka.partitions(again).equals(owned), a, again);
                Check.equal(generation, a.groupMetadata().generationId(), "generation: no rebalance happened");
                ClassicGroupDescription described = describe(group);
                Check.equal(Set.of("a", "b"), described.members().stream().map(m -> m.groupInstanceId().orElse("")).collect(Collectors.toSet()), "instance ids");
            }
        }
    }

    private void commitMetadata() throws Exception {
        TopicPartition partition = new TopicPartition(kafka.create("metadata", 1, Map.of()), 0);
        String group = kafka.name("metadata-g");
        try (KafkaConsumer<String, String> consumer = consumer(group, Map.of())) {
            consumer.assign(List.of(partition));
            Check.equal(null, consumer.committed(Set.of(partition)).get(partition), "commit of a new group");
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(7, "note")));
            OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
            Check.equal(7L, committed.offset(), "committed offset");
            Check.equal("note", committed.metadata(), "committed metadata");
        }
    }

    void before() throws Exception {
        consumeAndCommit(kafka.filled("restart", 2, "none"), kafka.name("restart-g"), 120);
    }

    void after() throws Exception {
        String topic = kafka.name("restart");
        Check.equal("Empty", describe(kafka.name("restart-g")).state().toString(), "group after the restart");
        kafka.send(kafka.records(topic, 2, Kafka.RECORD_COUNT, 100), Map.of());
        List<Integer> numbers = consumeAndCommit(topic, kafka.name("restart-g"), 180).stream()
            .map(value -> Integer.parseInt(value.substring("value-".length(), value.indexOf(' ')))).toList();
        Check.equal(180, new HashSet<>(numbers).size(), "distinct records after the restart");
        Check.equal(100L, numbers.stream().filter(i -> i >= Kafka.RECORD_COUNT).count(), "records produced after the restart");
    }

    /** Takes exactly `count` records, commits behind them, and leaves the group. */
    private List<String> consumeAndCommit(String topic, String group, int count) throws Exception {
        // 20 divides every count asked for, and no more than that is handed over at a time.
        try (KafkaConsumer<String, String> consumer = consumer(group, Map.of("max.poll.records", 20))) {
            consumer.subscribe(List.of(topic));
            List<ConsumerRecord<String, String>> got = new ArrayList<>();
            Check.eventually(count + " records of " + topic, () -> {
                consumer.poll(Duration.ofMillis(100)).forEach(got::add);
                return got.size() >= count;
            });
            Check.equal(count, got.size(), "records of " + topic);
            consumer.commitSync();
            return Kafka.values(got);
        }
    }

    private KafkaConsumer<String, String> consumer(String group, Map<String, Object> config) {
        Map<String, Object> all = new java.util.HashMap<>(config);
        all.put("group.id", group);
        return kafka.consumer(all);
    }

    private ClassicGroupDescription describe(String group) throws Exception {
        return kafka.admin.describeClassicGroups(List.of(group)).all().get().get(group);
    }

    /** Polls all members in turn, as consumers must to take part in a rebalance. */
    @SafeVarargs
    private static void pumpUntil(String what, Callable<Boolean> condition, KafkaConsumer<String, String>... members) throws Exception {
        Check.eventually(what, () -> {
            for (KafkaConsumer<String, String> member : members) {
                member.poll(Duration.ofMillis(50));
            }
            return condition.call();
        });
    }
}
