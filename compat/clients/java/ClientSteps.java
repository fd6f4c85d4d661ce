import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RecordTooLargeException;

/** Producers and consumers without a group. */
final class ClientSteps {
    private final Kafka kafka;

    ClientSteps(Kafka kafka) {
        this.kafka = kafka;
    }

    void add(Map<String, Main.Step> steps) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            steps.put("codec-" + codec, () -> kafka.filled(codec, 2, codec));
        }
        steps.put("idempotence", this::idempotence);
        steps.put("acks", this::acks);
        steps.put("timestamps", this::timestamps);
        steps.put("seek", this::seek);
        steps.put("pause", this::pause);
    }

    /** The default producer is idempotent: the broker knows its producer id and its last sequence number. */
    private void idempotence() throws Exception {
        String topic = kafka.create("idempotent", 1, Map.of());
        kafka.send(kafka.records(topic, 1, 0, 50), Map.of("linger.ms", 20));
        TopicPartition partition = new TopicPartition(topic, 0);
        List<ProducerState> states = kafka.admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers();
        Check.equal(1, states.size(), "active producers");
        Check.that(states.get(0).producerId() >= 0, "producer id " + states.get(0).producerId());
        Check.equal(0, states.get(0).producerEpoch(), "producer epoch");
        Check.equal(49, states.get(0).lastSequence(), "last sequence");
        Check.equal(kafka.baseMs + 49, states.get(0).lastTimestamp(), "last timestamp");
        kafka.send(kafka.records(topic, 1, 50, 50), Map.of());
        states = kafka.admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers();
        Check.equal(2, states.size(), "active producers after a second one came");
    }

    /** acks=0 and acks=1 arrive too; a record over max.message.bytes is refused with its own error. */
    private void acks() throws Exception {
        String topic = kafka.create("acks", 1, Map.of("max.message.bytes", "20000"));
        for (String acks : List.of("0", "1")) {
            kafka.send(kafka.records(topic, 1, 0, 20), Map.of("acks", acks, "enable.idempotence", false));
        }
        var large = new org.apache.kafka.clients.producer.ProducerRecord<String, String>(topic, "x".repeat(30_000));
        Check.fails(RecordTooLargeException.class, () -> kafka.send(List.of(large), Map.of()));
        try (KafkaConsumer<String, String> consumer = kafka.consumer(Map.of())) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            Kafka.poll(consumer, 40);
        }
    }

    private void timestamps() throws Exception {
        String topic = kafka.filled("times", 2, "none");
        TopicPartition even = new TopicPartition(topic, 0);
        TopicPartition odd = new TopicPartition(topic, 1);
        try (KafkaConsumer<String, String> consumer = kafka.consumer(Map.of())) {
            // Partition 0 holds the records 0, 2, 4, ...: the first at or after +41 ms is record 42, its offset 21.
            Map<TopicPartition, OffsetAndTimestamp> found = consumer.offsetsForTimes(Map.of(even, kafka.baseMs + 41, odd, kafka.baseMs + 41));
            Check.equal(21L, found.get(even).offset(), "offset in partition 0");
            Check.equal(kafka.baseMs + 42, found.get(even).timestamp(), "its timestamp");
            Check.equal(20L, found.get(odd).offset(), "offset in partition 1");
            Check.equal(null, consumer.offsetsForTimes(Map.of(even, kafka.baseMs + 10_000)).get(even), "offset after the last record");
            Check.equal(Map.of(even, 0L, odd, 0L), consumer.beginningOffsets(List.of(even, odd)), "beginning offsets");
            Check.equal(Map.of(even, 100L, odd, 100L), consumer.endOffsets(List.of(even, odd)), "end offsets");
        }
    }

    private void seek() throws Exception {
        TopicPartition partition = new TopicPartition(kafka.filled("seek", 2, "lz4"), 0);
        try (KafkaConsumer<String, String> consumer = kafka.consumer(Map.of())) {
            consumer.assign(List.of(partition));
            // Into the middle of a compressed batch: the client drops what lies before.
            consumer.seek(partition, 37);
            List<ConsumerRecord<String, String>> got = Kafka.poll(consumer, 63);
            Check.equal(37L, got.get(0).offset(), "first offset after the seek");
            consumer.seekToEnd(List.of(partition));
            Check.equal(100L, consumer.position(partition), "position at the end");
            consumer.seekToBeginning(List.of(partition));
            Check.equal(0L, consumer.position(partition), "position at the beginning");
            consumer.seek(partition, 1_000_000);
            List<ConsumerRecord<String, String>> reset = Kafka.poll(consumer, 100);
            Check.equal(0L, reset.get(0).offset(), "first offset after auto.offset.reset=earliest");
        }
    }

    private void pause() throws Exception {
        String topic = kafka.filled("pause", 2, "none");
        TopicPartition even = new TopicPartition(topic, 0);
        TopicPartition odd = new TopicPartition(topic, 1);
        try (KafkaConsumer<String, String> consumer = kafka.consumer(Map.of())) {
            consumer.assign(List.of(even, odd));
            consumer.pause(List.of(even));
            Kafka.poll(consumer, 100).forEach(r -> Check.equal(1, r.partition(), "partition while 0 is paused"));
            Check.equal(true, consumer.poll(Duration.ofMillis(300)).isEmpty(), "nothing more while paused");
            Check.equal(Set.of(even), consumer.paused(), "paused");
            consumer.resume(List.of(even));
            Kafka.poll(consumer, 100).forEach(r -> Check.equal(0, r.partition(), "partition after resume"));
        }
    }
}
