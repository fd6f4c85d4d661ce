import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeConsumerGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/**
 * Consumers in groups of the consumer protocol (KIP-848). Every record is to come to one member, once, whatever happens to the
 * group meanwhile. Arguments: BOOTSTRAP PREFIX. The broker's heartbeats and session timeouts must be short.
 */
public final class ConsumerProtocol {
    private static final int PARTITIONS = 6;

    private interface Step {
        void run() throws Exception;
    }

    private final Kafka kafka;

    private ConsumerProtocol(Kafka kafka) {
        this.kafka = kafka;
    }

    public static void main(String[] args) {
        ConsumerProtocol steps = new ConsumerProtocol(new Kafka(args[0], args[1]));
        Map<String, Step> all = new java.util.LinkedHashMap<>();
        all.put("share", steps::share);
        all.put("range", steps::range);
        all.put("pattern", steps::pattern);
        all.put("topics-change", steps::topicsChange);
        all.put("static", steps::staticMember);
        all.put("silent", steps::silentMember);
        all.put("refused", steps::refused);
        all.put("resume", steps::resume);
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

    /** A member and all that it ever read. */
    private final class Member implements AutoCloseable {
        final KafkaConsumer<String, String> consumer;
        final List<String> read = new ArrayList<>();
        final Kafka.Revocations revocations = new Kafka.Revocations();

        Member(String group, Map<String, Object> settings) {
            Map<String, Object> all = new HashMap<>(Map.of("group.id", kafka.name(group), "group.protocol", "consumer",
                "enable.auto.commit", true, "auto.commit.interval.ms", 200, "metadata.max.age.ms", 1000,
                "allow.auto.create.topics", false));
            all.putAll(settings);
            consumer = kafka.bareConsumer(all);
        }

        Member on(String... topics) {
            consumer.subscribe(List.of(topics), revocations);
            return this;
        }

        void poll() {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(20))) {
                read.add(record.topic() + "-" + record.partition() + "/" + record.offset());
            }
        }

        Set<String> owns() {
            Set<String> owned = new TreeSet<>();
            consumer.assignment().forEach(partition -> owned.add(partition.toString()));
            return owned;
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    private Member member(String group, String... topics) {
        return new Member(group, Map.of()).on(topics);
    }

    /** Three members come and one goes while records come in. */
    private void share() throws Exception {
        String topic = kafka.create("share", PARTITIONS, Map.of());
        Member a = member("share-g", topic);
        pumpUntil("the first member has everything", () -> a.owns().size() == PARTITIONS, a);
        send(topic, PARTITIONS, 0, 120);
        Member b = member("share-g", topic);
        pumpUntil("half of it each", () -> isShared(PARTITIONS, a, b), a, b);
        send(topic, PARTITIONS, 120, 120);
        Member c = member("share-g", topic);
        pumpUntil("a third of it each", () -> isShared(PARTITIONS, a, b, c), a, b, c);
        Check.equal(4, a.revocations.revoked.size(), "partitions that the first member ever gave up: no more than it had to");
        send(topic, PARTITIONS, 240, 120);
        pumpUntil("all is read", () -> count(a, b, c) >= 360, a, b, c);
        ConsumerGroupDescription group = describe("share-g");
        Check.equal("Stable Consumer uniform", group.groupState() + " " + group.type() + " " + group.partitionAssignor(), "the group");
        Check.equal(group.groupEpoch(), group.targetAssignmentEpoch(), "epochs of the group and its assignment");
        Check.that(group.authorizedOperations().contains(AclOperation.READ), "authorized operations: " + group.authorizedOperations());
        for (MemberDescription one : group.members()) {
            Check.equal(group.groupEpoch(), one.memberEpoch(), "epoch of a member");
            Check.equal(one.assignment(), one.targetAssignment().orElseThrow(), "assignment and target");
            Check.equal("/127.0.0.1", one.host(), "host of a member");
        }
        b.close();
        pumpUntil("the others take over at once", () -> isShared(PARTITIONS, a, c), a, c);
        send(topic, PARTITIONS, 360, 120);
        pumpUntil("all is read", () -> count(a, b, c) >= 480, a, c);
        onlyOnce(480, a, b, c);
        a.close();
        c.close();
        Check.equal("Empty", describe("share-g").groupState().toString(), "state when all have left");
    }

    private void range() throws Exception {
        String one = kafka.create("range-1", 4, Map.of());
        String two = kafka.create("range-2", 4, Map.of());
        try (Member a = new Member("range-g", Map.of("group.remote.assignor", "range")).on(one, two);
             Member b = new Member("range-g", Map.of("group.remote.assignor", "range")).on(one, two)) {
            pumpUntil("half of each topic for each", () -> isShared(8, a, b), a, b);
            Set<Integer> together = Kafka.partitions(a.consumer);
            Check.that(together.equals(Set.of(0, 1)) || together.equals(Set.of(2, 3)), "partitions of the same number meet: " + a.owns());
            Check.equal("range", describe("range-g").partitionAssignor(), "assignor of the group");
        }
    }

    /** The expression is resolved by the broker, and topics that come later match too. */
    private void pattern() throws Exception {
        String first = kafka.create("pattern-1", 2, Map.of());
        kafka.create("other-pattern-1", 2, Map.of());
        try (Member a = new Member("pattern-g", Map.of()); Member b = new Member("pattern-g", Map.of())) {
            for (Member each : List.of(a, b)) {
                each.consumer.subscribe(new SubscriptionPattern(Pattern.quote(kafka.name("pattern-")) + "[0-9]+"), each.revocations);
            }
            pumpUntil("both have one of the topic's partitions", () -> isShared(2, a, b), a, b);
            Check.equal(Set.of(first + "-0", first + "-1"), union(a, b), "what the expression stands for");
            String second = kafka.create("pattern-22", 2, Map.of());
            pumpUntil("the new topic is found", () -> isShared(4, a, b) && union(a, b).contains(second + "-1"), a, b);
            send(second, 2, 0, 20);
            pumpUntil("the new topic is read", () -> count(a, b) >= 20, a, b);
            onlyOnce(20, a, b);
        }
    }

    /** Topics that are subscribed to are created, grow and go. */
    private void topicsChange() throws Exception {
        String there = kafka.create("change-1", 2, Map.of());
        String later = kafka.name("change-2");
        try (Member a = member("change-g", there, later); Member b = new Member("change-g", Map.of())) {
            pumpUntil("the topic that is there is read", () -> isShared(2, a), a);
            b.on(there, later);
            pumpUntil("the topic that is there is shared", () -> isShared(2, a, b), a, b);
            kafka.create("change-2", 2, Map.of());
            pumpUntil("the topic that is new is shared", () -> isShared(4, a, b), a, b);
            kafka.admin.createPartitions(Map.of(there, NewPartitions.increaseTo(PARTITIONS))).all().get();
            pumpUntil("the new partitions are shared", () -> isShared(PARTITIONS + 2, a, b), a, b);
            send(there, PARTITIONS, 0, 60);
            send(later, 2, 0, 20);
            pumpUntil("all is read", () -> count(a, b) >= 80, a, b);
            onlyOnce(80, a, b);
            kafka.admin.deleteTopics(List.of(later)).all().get();
            pumpUntil("the topic that is gone is nobody's", () -> isShared(PARTITIONS, a, b) && !union(a, b).contains(later + "-0"), a, b);
        }
    }

    /** A static member that comes back has what it had, and nobody else notices. */
    private void staticMember() throws Exception {
        String topic = kafka.create("static", 4, Map.of());
        Member a = new Member("static-g", Map.of("group.instance.id", "a")).on(topic);
        Member b = new Member("static-g", Map.of("group.instance.id", "b")).on(topic);
        pumpUntil("2 partitions each", () -> isShared(4, a, b), a, b);
        send(topic, 4, 0, 40);
        pumpUntil("all is read", () -> count(a, b) >= 40, a, b);
        Set<String> owned = b.owns();
        int epoch = describe("static-g").groupEpoch().orElseThrow();
        int given = a.revocations.revoked.size();
        b.close();
        send(topic, 4, 40, 40);
        Member again = new Member("static-g", Map.of("group.instance.id", "b")).on(topic);
        pumpUntil("the member is back with its partitions", () -> again.owns().equals(owned), a, again);
        pumpUntil("all is read", () -> count(a, b, again) >= 80, a, again);
        onlyOnce(80, a, b, again);
        Check.equal(epoch, describe("static-g").groupEpoch().orElseThrow(), "group epoch: nothing was assigned anew");
        Check.equal(given, a.revocations.revoked.size(), "partitions that the other member gave up");
        a.close();
        again.consumer.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP));
    }

    /** A member that dies without a word: its partitions go to the other one when its session ends. */
    private void silentMember() throws Exception {
        String topic = kafka.create("silent", 4, Map.of());
        Member a = member("silent-g", topic);
        Member b = member("silent-g", topic);
        pumpUntil("2 partitions each", () -> isShared(4, a, b), a, b);
        b.consumer.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP));
        send(topic, 4, 0, 40);
        Check.equal(2, a.owns().size(), "what the other has before the session ends");
        pumpUntil("the other has everything", () -> a.owns().size() == 4, a);
        pumpUntil("all is read", () -> count(a, b) >= 40, a);
        onlyOnce(40, a, b);
        a.close();
    }

    private void refused() throws Exception {
        String topic = kafka.create("refused", 1, Map.of());
        try (Member a = new Member("refused-1", Map.of()); Member b = new Member("refused-2", Map.of("group.remote.assignor", "no-such")).on(topic)) {
            a.consumer.subscribe(new SubscriptionPattern("topic-["));
            fails(InvalidRegularExpression.class, a);
            fails(UnsupportedAssignorException.class, b);
        }
    }

    /** What one member committed is where the next one begins. */
    private void resume() throws Exception {
        String topic = kafka.create("resume", 2, Map.of());
        send(topic, 2, 0, 40);
        Member a = member("resume-g", topic);
        pumpUntil("all is read", () -> count(a) >= 40, a);
        a.close();
        send(topic, 2, 40, 20);
        Member b = member("resume-g", topic);
        pumpUntil("all that is new is read", () -> count(a, b) >= 60, b);
        onlyOnce(60, a, b);
        b.close();
        Check.equal(GroupType.CONSUMER, kafka.admin.listGroups().all().get().stream().filter(g -> g.groupId().equals(kafka.name("resume-g")))
            .findFirst().orElseThrow().type().orElseThrow(), "type of the listed group");
        kafka.admin.deleteConsumerGroups(List.of(kafka.name("resume-g"))).all().get();
    }

    private static <E extends Exception> void fails(Class<E> type, Member member) throws Exception {
        Check.eventually(type.getSimpleName(), () -> {
            try {
                member.poll();
                return false;
            } catch (Exception thrown) {
                Check.that(type.isInstance(thrown), "got " + thrown);
                return true;
            }
        });
    }

    /** Every partition is somebody's, no partition is two members', and nobody has more than one more than another. */
    private static boolean isShared(int partitions, Member... members) {
        int most = 0;
        int least = partitions;
        int all = 0;
        for (Member member : members) {
            int count = member.owns().size();
            most = Math.max(most, count);
            least = Math.min(least, count);
            all += count;
        }
        return all == partitions && union(members).size() == partitions && most - least <= 1;
    }

    private static Set<String> union(Member... members) {
        Set<String> all = new TreeSet<>();
        for (Member member : members) {
            all.addAll(member.owns());
        }
        return all;
    }

    private static int count(Member... members) {
        int all = 0;
        for (Member member : members) {
            all += member.read.size();
        }
        return all;
    }

    private static void onlyOnce(int want, Member... members) {
        Map<String, Integer> times = new TreeMap<>();
        for (Member member : members) {
            member.read.forEach(record -> times.merge(record, 1, Integer::sum));
        }
        times.values().removeIf(count -> count == 1);
        Check.equal(Map.of(), times, "records that were read more than once");
        Check.equal(want, count(members), "records read");
    }

    private void send(String topic, int partitions, int first, int count) throws Exception {
        kafka.send(kafka.records(topic, partitions, first, count), Map.of());
    }

    private ConsumerGroupDescription describe(String group) throws Exception {
        DescribeConsumerGroupsOptions options = new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true);
        String name = kafka.name(group);
        return kafka.admin.describeConsumerGroups(List.of(name), options).all().get().get(name);
    }

    private static void pumpUntil(String what, Callable<Boolean> condition, Member... members) throws Exception {
        Check.eventually(what, () -> {
            for (Member member : members) {
                member.poll();
            }
            return condition.call();
        });
    }
}
