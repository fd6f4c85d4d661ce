import java.time.Duration;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * What the application computes, from the topics PREFIX-NAME into topics of the same kind:
 * lines -> counts (of each word, ever), windows (of each word, per ten seconds);
 * orders and payments, both keyed by something else than the order -> paid (windowed join of the two, by order);
 * orders and the table customers -> billed (join by customer).
 * All but the first step of each runs behind a repartition topic; the stores are RocksDB with a changelog.
 */
final class StreamsTopology {
    private static final Duration WINDOW = Duration.ofSeconds(10);
    private static final Duration GRACE = Duration.ofHours(1);

    private final Serde<String> string = Serdes.String();
    private final StreamsBuilder builder = new StreamsBuilder();
    private final String prefix;
    /** Called for every record of a source stream. */
    private final Runnable onRecord;

    StreamsTopology(String prefix, Runnable onRecord) {
        this.prefix = prefix;
        this.onRecord = onRecord;
    }

    Topology build() {
        wordCounts();
        KStream<String, String> orders = source("orders");
        paid(orders);
        billed(orders);
        return builder.build();
    }

    private void wordCounts() {
        KStream<String, String> words = source("lines").flatMapValues(line -> Arrays.asList(line.split(" ")));
        words.groupBy((key, word) -> word, Grouped.with("words", string, string))
            .count(Materialized.as("counts"))
            .toStream().mapValues(String::valueOf)
            .to(topic("counts"), Produced.with(string, string));
        words.filterNot((key, word) -> word.startsWith("id-"))
            .groupBy((key, word) -> word, Grouped.with("window-words", string, string))
            .windowedBy(TimeWindows.ofSizeAndGrace(WINDOW, GRACE))
            .count(Materialized.as("windows"))
            .toStream((windowed, count) -> windowed.key() + "@" + windowed.window().start()).mapValues(String::valueOf)
            .to(topic("windows"), Produced.with(string, string));
    }

    /** An order's value is "ORDER CUSTOMER", a payment's "ORDER AMOUNT". */
    private void paid(KStream<String, String> orders) {
        KStream<String, String> byOrder = orders.map((key, order) -> KeyValue.pair(cell(order, 0), cell(order, 1)));
        KStream<String, String> payments = source("payments").map((key, payment) -> KeyValue.pair(cell(payment, 0), cell(payment, 1)));
        byOrder.join(payments, (customer, amount) -> customer + " " + amount, JoinWindows.ofTimeDifferenceAndGrace(WINDOW, GRACE),
                StreamJoined.with(string, string, string).withName("paid").withStoreName("paid"))
            .to(topic("paid"), Produced.with(string, string));
    }

    private void billed(KStream<String, String> orders) {
        KTable<String, String> customers = builder.table(topic("customers"), Consumed.with(string, string), Materialized.as("customers"));
        orders.map((key, order) -> KeyValue.pair(cell(order, 1), cell(order, 0)))
            .join(customers, (order, name) -> order + " " + name, Joined.with(string, string, string, "billed"))
            .map((customer, bill) -> KeyValue.pair(cell(bill, 0), cell(bill, 1)))
            .to(topic("billed"), Produced.with(string, string));
    }

    private KStream<String, String> source(String name) {
        return builder.stream(topic(name), Consumed.with(string, string)).peek((key, value) -> onRecord.run());
    }

    private String topic(String name) {
        return prefix + "-" + name;
    }

    private static String cell(String text, int index) {
        return text.split(" ")[index];
    }
}
