// Runs one tool several times at once in this JVM, for tools that mostly wait: Together <class> <arguments> -- <arguments> -- ...
// What they print is mixed, line by line; a run that fails makes the whole fail.

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;

public final class Together {
    public static void main(String[] argv) throws Exception {
        Method main = Class.forName(argv[0], true, Thread.currentThread().getContextClassLoader()).getMethod("main", String[].class);
        List<List<String>> runs = new ArrayList<>(List.of(new ArrayList<>()));
        for (int i = 1; i < argv.length; i++) {
            if (argv[i].equals("--")) {
                runs.add(new ArrayList<>());
            } else {
                runs.get(runs.size() - 1).add(argv[i]);
            }
        }
        List<Throwable> failures = new ArrayList<>();
        List<Thread> threads = runs.stream().map(args -> new Thread(() -> {
            try {
                main.invoke(null, (Object) args.toArray(new String[0]));
            } catch (Throwable failure) {
                synchronized (failures) {
                    failures.add(failure);
                }
            }
        })).toList();
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        failures.forEach(Throwable::printStackTrace);
        if (!failures.isEmpty()) {
            throw new IllegalStateException(failures.size() + " of " + runs.size() + " runs failed");
        }
    }
}
