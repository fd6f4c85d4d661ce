import java.time.Duration;
import java.util.Properties;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.TableJoined;
import org.apache.kafka.streams.state.Stores;

/**
 * What asks a broker for more than {@link StreamsTopology}: the table bills (order -> customer) joined with a global table, by foreign
 * key with another table, and as a stream with a versioned table; and the topics PREFIX-more-*, also those that come later, counted
 * by key behind a repartition topic of another size and by session.
 */
final class WideTopology {
    private static final Duration GAP = Duration.ofMillis(500);
    private static final Duration GRACE = Duration.ofHours(1);

    private final Serde<String> string = Serdes.String();
    private final StreamsBuilder builder = new StreamsBuilder();
    private final String prefix;
    /** Called for every record of a source stream. */
    private final Runnable onRecord;

    WideTopology(String prefix, Runnable onRecord) {
        this.prefix = prefix;
        this.onRecord = onRecord;
    }

    Topology build(Properties config) {
        bills();
        more();
        return builder.build(config);
    }

    private void bills() {
        KTable<String, String> bills = builder.table(topic("bills"), consumed(), Materialized.as("bills"));
        KTable<String, String> customers = builder.table(topic("customers"), consumed(), Materialized.as("customers"));
        KTable<String, String> prices = builder.table(topic("prices"), consumed(),
            Materialized.as(Stores.persistentVersionedKeyValueStore("prices", Duration.ofHours(2))));
        GlobalKTable<String, String> names = builder.globalTable(topic("names"), consumed(), Materialized.as("names"));

        KStream<String, String> stream = bills.toStream().peek((order, customer) -> onRecord.run());
        send(stream.join(names, (order, customer) -> customer, (customer, name) -> name), "named");
        send(bills.join(customers, customer -> customer, (customer, name) -> name, TableJoined.as("foreign")).toStream(), "foreign");
        send(stream.map((order, customer) -> KeyValue.pair(customer, order))
            .join(prices, (order, price) -> order + " " + price, Joined.with(string, string, string, "priced"))
            .map((customer, priced) -> KeyValue.pair(priced.split(" ")[0], priced.split(" ")[1])), "priced");
    }

    private void more() {
        KStream<String, String> more = builder.stream(Pattern.compile(Pattern.quote(topic("more-")) + ".*"), consumed())
            .peek((key, value) -> onRecord.run());
        send(more.repartition(Repartitioned.<String, String>as("spread").withNumberOfPartitions(3))
            .groupByKey().count(Materialized.as(Stores.inMemoryKeyValueStore("spread")))
            .toStream().mapValues(String::valueOf), "spread");
        send(more.groupBy((key, value) -> value, Grouped.with("values", string, string))
            .windowedBy(SessionWindows.ofInactivityGapAndGrace(GAP, GRACE))
            .count(Materialized.as("sessions"))
            .toStream((session, count) -> session.key() + "@" + session.window().start() + "-" + session.window().end())
            .mapValues(count -> count == null ? null : String.valueOf(count)), "sessions");
    }

    private Consumed<String, String> consumed() {
        return Consumed.with(string, string);
    }

    private void send(KStream<String, String> stream, String result) {
        stream.to(topic(result), Produced.with(string, string));
    }

    private String topic(String name) {
        return prefix + "-" + name;
    }
}
