import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.ThreadMetadata;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.StateRestoreListener;

/**
 * An ordinary Kafka Streams application, and what it says of itself for the check that watches it.
 * Arguments: SERVER APPLICATION-ID PREFIX STATE-DIR [slow=MICROSECONDS] [wide=yes] [CONFIG=VALUE]...
 * `slow` is how long every source record takes, so that there is a middle to be killed in; `wide` takes the other topology. It runs until SIGTERM or a failure.
 *
 * Lines on stdout: "state S", "records N", "tasks ACTIVE STANDBY" (number of each, on every change), "restored STORE N", "failed E", "closed".
 */
public final class StreamsApp {
    private static final long REPORT_MS = 50;
    private static final Duration CLOSE = Duration.ofSeconds(20);

    private final AtomicLong records = new AtomicLong();
    private final CountDownLatch closed = new CountDownLatch(1);
    private final long slowNanos;
    private final KafkaStreams streams;

    public static void main(String[] args) throws Exception {
        StreamsApp app = new StreamsApp(args);
        Runtime.getRuntime().addShutdownHook(new Thread(app::close));
        app.streams.start();
        app.report();
        if (app.streams.state() == KafkaStreams.State.ERROR) {
            System.exit(1);
        }
    }

    private StreamsApp(String[] args) {
        Properties config = new Properties();
        for (String arg : List.of(args).subList(4, args.length)) {
            String[] pair = arg.split("=", 2);
            config.put(pair[0], pair[1]);
        }
        slowNanos = Long.parseLong((String) config.getOrDefault("slow", "0")) * 1000;
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        Topology topology = config.containsKey("wide")
            ? new WideTopology(args[2], this::onRecord).build(config)
            : new StreamsTopology(args[2], this::onRecord).build();
        streams = new KafkaStreams(topology, config);
        streams.setStateListener((now, before) -> say("state " + now));
        streams.setGlobalStateRestoreListener(new Restored());
        streams.setUncaughtExceptionHandler(error -> {
            say("failed " + error.toString().replace('\n', ' '));
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    }

    private void onRecord() {
        records.incrementAndGet();
        if (slowNanos > 0) {
            java.util.concurrent.locks.LockSupport.parkNanos(slowNanos);
        }
    }

    private void report() throws InterruptedException {
        long reported = 0;
        String tasks = "";
        while (closed.getCount() > 0 && streams.state() != KafkaStreams.State.ERROR) {
            long now = records.get();
            if (now != reported) {
                reported = now;
                say("records " + now);
            }
            String tasksNow = tasks();
            if (!tasksNow.equals(tasks)) {
                tasks = tasksNow;
                say(tasks);
            }
            Thread.sleep(REPORT_MS);
        }
    }

    private String tasks() {
        int active = 0;
        int standby = 0;
        for (ThreadMetadata thread : streams.metadataForLocalThreads()) {
            active += thread.activeTasks().size();
            standby += thread.standbyTasks().size();
        }
        return "tasks " + active + " " + standby;
    }

    /** Leaves the group, so that the tasks move at once. */
    @SuppressWarnings("deprecation") // of the newer form, the older release knows nothing
    private void close() {
        boolean done = streams.close(new KafkaStreams.CloseOptions().leaveGroup(true).timeout(CLOSE));
        closed.countDown();
        say(done ? "closed" : "failed to close in time");
    }

    private static synchronized void say(String line) {
        System.out.println(line);
    }

    private static final class Restored implements StateRestoreListener {
        @Override
        public void onRestoreStart(TopicPartition partition, String store, long first, long end) {
        }

        @Override
        public void onBatchRestored(TopicPartition partition, String store, long last, long count) {
        }

        @Override
        public void onRestoreEnd(TopicPartition partition, String store, long count) {
            say("restored " + store + " " + count);
        }
    }
}
