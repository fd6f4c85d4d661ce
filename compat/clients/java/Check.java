import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;

/** Assertions with readable failures. */
final class Check {
    static final Duration WAIT = Duration.ofSeconds(30);

    static void equal(Object want, Object got, String what) {
        if (!Objects.equals(want, got)) {
            throw new AssertionError(what + ": got " + shorten(got) + ", want " + shorten(want));
        }
    }

    static void that(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static <E extends Throwable> E fails(Class<E> type, Callable<?> call) throws Exception {
        Throwable thrown;
        try {
            Object result = call.call();
            throw new AssertionError("got " + result + ", want " + type.getSimpleName());
        } catch (ExecutionException wrapped) {
            thrown = wrapped.getCause();
        }
        if (!type.isInstance(thrown)) {
            throw new AssertionError("got " + thrown + ", want " + type.getSimpleName(), thrown);
        }
        return type.cast(thrown);
    }

    static void eventually(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + WAIT.toNanos();
        while (!condition.call()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not within " + WAIT.toSeconds() + " s: " + what);
            }
            Thread.sleep(20);
        }
    }

    private static String shorten(Object value) {
        String text = String.valueOf(value);
        return text.length() < 300 ? text : text.substring(0, 300) + "...";
    }

    private Check() {
    }
}
