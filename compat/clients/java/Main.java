import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;

/**
 * The Java clients on the steps of ../README.md, and on the admin client's calls.
 * Arguments: BOOTSTRAP PREFIX scenario|admin|before|after.
 */
public final class Main {
    interface Step {
        void run() throws Exception;
    }

    public static void main(String[] args) {
        Kafka kafka = new Kafka(args[0], args[1]);
        Map<String, Step> steps = new LinkedHashMap<>();
        switch (args[2]) {
            case "scenario" -> {
                new ClientSteps(kafka).add(steps);
                new GroupSteps(kafka).add(steps);
            }
            case "admin" -> {
                new TopicAdminSteps(kafka).add(steps);
                new GroupAdminSteps(kafka).add(steps);
                new ClusterAdminSteps(kafka).add(steps);
            }
            case "before" -> steps.put("before", new GroupSteps(kafka)::before);
            case "after" -> steps.put("after", new GroupSteps(kafka)::after);
            default -> throw new IllegalArgumentException(args[2]);
        }
        boolean failed = false;
        for (Map.Entry<String, Step> step : steps.entrySet()) {
            try {
                step.getValue().run();
                System.out.println("ok " + step.getKey());
            } catch (Throwable thrown) { // an assertion that fails must not hide the steps after it
                failed = true;
                Throwable cause = thrown instanceof ExecutionException && thrown.getCause() != null ? thrown.getCause() : thrown;
                StringWriter trace = new StringWriter();
                thrown.printStackTrace(new PrintWriter(trace));
                System.err.println(step.getKey() + ": " + trace);
                System.out.println("FAIL " + step.getKey() + " " + cause.toString().replace('\n', ' '));
            }
        }
        // Consumers that a failed step left open keep threads.
        Runtime.getRuntime().halt(flushed(failed ? 1 : 0));
    }

    private static int flushed(int code) {
        System.out.flush();
        System.err.flush();
        return code;
    }
}
