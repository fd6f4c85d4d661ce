// Records into topics and out of them, and the wait for a group that has read them all: what checks of whole applications (../streams)
// need and the console tools have not. Called like a console tool:
//   TopicData create <server> <topic>:<partitions>...
//   TopicData send <server>             stdin: topic, partition, timestamp, key, value, separated by tabs; no key is null, no partition is the key's
//   TopicData settled <server> <group> <seconds> <topic>...   ends when nothing committed is left to read of these, of all that the group
//                                       has read, and of the topics in between that Streams made for it
//   TopicData read <server> <topic>     prints key, value, separated by a tab, of every committed record

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class TopicData {
    private static final long LOOK_AGAIN_MS = 100;

    private final String server;

    private TopicData(String server) {
        this.server = server;
    }

    public static void main(String[] args) throws Exception {
        TopicData data = new TopicData(args[1]);
        List<String> rest = Arrays.asList(args).subList(2, args.length);
        switch (args[0]) {
            case "create" -> data.create(rest);
            case "send" -> data.send();
            case "settled" -> data.settled(rest.get(0), Long.parseLong(rest.get(1)), rest.subList(2, rest.size()));
            case "read" -> data.read(rest.get(0));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private void create(List<String> topics) throws Exception {
        try (Admin admin = admin()) {
            admin.createTopics(topics.stream().map(topic -> topic.split(":"))
                .map(parts -> new NewTopic(parts[0], Integer.parseInt(parts[1]), (short) 1)).toList()).all().get();
        }
    }

    private void send() throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        List<Future<?>> sent = new ArrayList<>();
        // One request at a time: of several, a broker that is just making the topic may refuse the first and take the second, and the
        // first is out of order then until the producer gives up.
        Map<String, Object> config = Map.of("bootstrap.servers", server, "linger.ms", 20, "max.in.flight.requests.per.connection", 1);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] cells = line.split("\t", 5);
                Integer partition = cells[1].isEmpty() ? null : Integer.valueOf(cells[1]);
                String key = cells[3].isEmpty() ? null : cells[3];
                sent.add(producer.send(new ProducerRecord<>(cells[0], partition, Long.valueOf(cells[2]), key, cells[4])));
            }
            for (Future<?> future : sent) {
                future.get();
            }
        }
        System.out.println(sent.size());
    }

    private void settled(String group, long seconds, List<String> topics) throws Exception {
        long deadlineMs = System.currentTimeMillis() + seconds * 1000;
        try (Admin admin = admin(); KafkaConsumer<String, String> consumer = consumer()) {
            Set<TopicPartition> required = new TreeSet<>(Comparator.comparing(TopicPartition::toString));
            for (String topic : topics) {
                required.addAll(partitions(consumer, topic));
            }
            while (true) {
                Map<String, String> left = left(admin, consumer, group, required);
                if (left.isEmpty()) {
                    return;
                }
                if (System.currentTimeMillis() > deadlineMs) {
                    throw new IllegalStateException("not read after " + seconds + " s: " + left);
                }
                Thread.sleep(LOOK_AGAIN_MS);
            }
        }
    }

    /**
     * What the group has still to read. The commits are asked for before the ends: when the sources are read to the end, all that the
     * application sends to topics in between is there, so one look is enough. A partition in between without a commit is read from its
     * start: its task may still be restoring its stores when the sources are done. The control records of transactions are not "left".
     */
    private static Map<String, String> left(Admin admin, KafkaConsumer<String, String> consumer, String group, Set<TopicPartition> required) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> committed = new HashMap<>(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
        Map<String, String> left = new TreeMap<>();
        required.stream().filter(partition -> committed.get(partition) == null).forEach(partition -> left.put(partition.toString(), "no commit"));
        if (!left.isEmpty()) {
            return left;
        }
        between(admin, group).forEach(partition -> committed.putIfAbsent(partition, new OffsetAndMetadata(0)));
        Map<TopicPartition, Long> ends = ends(admin, committed.keySet());
        Set<TopicPartition> behind = committed.keySet().stream().filter(p -> committed.get(p).offset() < ends.get(p)).collect(Collectors.toSet());
        consumer.assign(behind);
        behind.forEach(partition -> consumer.seek(partition, committed.get(partition)));
        for (ConsumerRecord<String, String> record : toTheEnd(consumer, ends)) {
            left.putIfAbsent(record.topic() + "-" + record.partition(), record.offset() + " of " + ends);
        }
        return left;
    }

    /** What the application writes for itself and reads again; never its changelogs, whose readers do not commit. */
    private static List<TopicPartition> between(Admin admin, String group) throws Exception {
        List<String> names = admin.listTopics().names().get().stream()
            .filter(name -> name.startsWith(group + "-") && (name.endsWith("-repartition") || name.endsWith("-topic"))).toList();
        return admin.describeTopics(names).allTopicNames().get().values().stream()
            .flatMap(topic -> topic.partitions().stream().map(info -> new TopicPartition(topic.name(), info.partition()))).toList();
    }

    private void read(String topic) throws Exception {
        StringBuilder text = new StringBuilder();
        try (Admin admin = admin(); KafkaConsumer<String, String> consumer = consumer()) {
            List<TopicPartition> partitions = partitions(consumer, topic);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            for (ConsumerRecord<String, String> record : toTheEnd(consumer, ends(admin, partitions))) {
                text.append(record.key()).append('\t').append(record.value()).append('\n');
            }
        }
        System.out.print(text);
    }

    private static Map<TopicPartition, Long> ends(Admin admin, Collection<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> latest = partitions.stream().collect(Collectors.toMap(Function.identity(), partition -> OffsetSpec.latest()));
        return admin.listOffsets(latest, new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all().get().entrySet().stream()
            .collect(Collectors.toMap(Map.Entry::getKey, entry -> entry.getValue().offset()));
    }

    private static List<ConsumerRecord<String, String>> toTheEnd(KafkaConsumer<String, String> consumer, Map<TopicPartition, Long> ends) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        while (consumer.assignment().stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
            consumer.poll(Duration.ofMillis(LOOK_AGAIN_MS)).forEach(records::add);
        }
        return records;
    }

    private static List<TopicPartition> partitions(KafkaConsumer<String, String> consumer, String topic) {
        return consumer.partitionsFor(topic).stream().map(info -> new TopicPartition(topic, info.partition())).toList();
    }

    private Admin admin() {
        return Admin.create(Map.of("bootstrap.servers", server));
    }

    /** What an application deletes while we look, it has read: hence "earliest". */
    private KafkaConsumer<String, String> consumer() {
        Map<String, Object> config = Map.of(
            "bootstrap.servers", server, "isolation.level", "read_committed", "fetch.max.wait.ms", 50, "auto.offset.reset", "earliest");
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }
}
