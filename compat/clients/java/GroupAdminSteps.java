import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;

/** The admin client on classic groups. */
final class GroupAdminSteps {
    private final Kafka kafka;

    GroupAdminSteps(Kafka kafka) {
        this.kafka = kafka;
    }

    void add(Map<String, Main.Step> steps) {
        steps.put("list-and-describe-groups", this::listAndDescribe);
        steps.put("group-offsets", this::offsets);
        steps.put("remove-members", this::removeMembers);
        steps.put("delete-groups", this::deleteGroups);
    }

    private void listAndDescribe() throws Exception {
        String topic = kafka.create("described", 2, Map.of());
        String group = kafka.name("described-g");
        try (KafkaConsumer<String, String> member = member(topic, group, "one")) {
            GroupListing listed = listed(new ListGroupsOptions(), group).orElseThrow();
            Check.equal(Optional.of(GroupType.CLASSIC), listed.type(), "type");
            Check.equal("consumer", listed.protocol(), "protocol type");
            Check.equal(Optional.of(GroupState.STABLE), listed.groupState(), "state");
            Check.that(listed(new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE)), group).isPresent(), "not listed by its state");
            Check.that(listed(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY)), group).isEmpty(), "listed by another state");
            Check.that(listed(new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC)), group).isPresent(), "not listed by its type");
            ClassicGroupDescription described = kafka.admin.describeClassicGroups(List.of(group)).all().get().get(group);
            var only = described.members().iterator().next();
            Check.equal("range", described.protocolData(), "assignor");
            Check.equal(1, described.coordinator().id(), "coordinator");
            Check.equal("compat-one", only.clientId(), "client id");
            Check.equal("/127.0.0.1", only.host(), "host");
            Check.equal(Optional.of("one"), only.groupInstanceId(), "group instance id");
            Check.equal(Set.of(0, 1), only.assignment().topicPartitions().stream().map(TopicPartition::partition).collect(Collectors.toSet()), "assignment");
        }
        Check.fails(GroupIdNotFoundException.class, () -> kafka.admin.describeClassicGroups(List.of(kafka.name("no-group"))).all().get());
    }

    private void offsets() throws Exception {
        String topic = kafka.filled("moved", 2, "none");
        String group = kafka.name("moved-g");
        TopicPartition even = new TopicPartition(topic, 0);
        TopicPartition odd = new TopicPartition(topic, 1);
        kafka.admin.alterConsumerGroupOffsets(group, Map.of(even, new OffsetAndMetadata(90), odd, new OffsetAndMetadata(50, "half"))).all().get();
        Map<TopicPartition, OffsetAndMetadata> found = kafka.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Check.equal(90L, found.get(even).offset(), "altered offset");
        Check.equal("half", found.get(odd).metadata(), "altered metadata");
        try (KafkaConsumer<String, String> consumer = kafka.consumer(Map.of("group.id", group))) {
            consumer.subscribe(List.of(topic));
            Kafka.poll(consumer, 10 + 50);
            Check.fails(UnknownMemberIdException.class, () -> kafka.admin.alterConsumerGroupOffsets(group, Map.of(even, new OffsetAndMetadata(1))).all().get());
            Check.fails(GroupSubscribedToTopicException.class, () -> kafka.admin.deleteConsumerGroupOffsets(group, Set.of(even)).partitionResult(even).get());
        }
        kafka.admin.deleteConsumerGroupOffsets(group, Set.of(even)).all().get();
        found = kafka.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Check.equal(Set.of(odd), found.keySet(), "partitions with an offset after one was deleted");
    }

    private void removeMembers() throws Exception {
        String topic = kafka.create("removed", 2, Map.of());
        String group = kafka.name("removed-g");
        try (KafkaConsumer<String, String> member = member(topic, group, "left-behind")) {
            var options = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("left-behind")));
            kafka.admin.removeMembersFromConsumerGroup(group, options).all().get();
            Check.eventually("an empty group", () -> {
                ClassicGroupDescription described = kafka.admin.describeClassicGroups(List.of(group)).all().get().get(group);
                return described.members().isEmpty();
            });
        }
    }

    private void deleteGroups() throws Exception {
        String topic = kafka.create("deleted", 1, Map.of());
        String group = kafka.name("deleted-g");
        try (KafkaConsumer<String, String> member = member(topic, group, null)) {
            Check.fails(GroupNotEmptyException.class, () -> kafka.admin.deleteConsumerGroups(List.of(group)).all().get());
        }
        kafka.admin.deleteConsumerGroups(List.of(group)).all().get();
        Check.that(listed(new ListGroupsOptions(), group).isEmpty(), "a deleted group is listed");
        Check.fails(GroupIdNotFoundException.class, () -> kafka.admin.deleteConsumerGroups(List.of(group)).all().get());
    }

    private Optional<GroupListing> listed(ListGroupsOptions options, String group) throws Exception {
        return kafka.admin.listGroups(options).all().get().stream().filter(g -> g.groupId().equals(group)).findFirst();
    }

    /** A member that owns every partition of the topic. */
    private KafkaConsumer<String, String> member(String topic, String group, String instance) throws Exception {
        Map<String, Object> config = new java.util.HashMap<>(Map.of("group.id", group));
        if (instance != null) {
            config.put("group.instance.id", instance);
            config.put("client.id", "compat-" + instance);
        }
        KafkaConsumer<String, String> member = kafka.consumer(config);
        int count = kafka.partitionCount(topic);
        member.subscribe(List.of(topic));
        Check.eventually("an assignment", () -> {
            member.poll(Duration.ofMillis(50));
            return member.assignment().size() == count;
        });
        return member;
    }
}
