// Runs Apache Kafka's console tools one after another in one warm JVM, because a JVM start costs more than most of the calls.
//
// Protocol on the real stdin/stdout: a 4-byte length, then JSON. Request {"class", "args", "input" (base64)};
// answer {"rc", "out", "err"} (base64). Each call gets a class loader of its own for the tools' classes, so that their
// static state (ConsoleConsumer counts its messages in a static field) starts fresh, while the client library stays warm.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

public final class ToolRunner {
    /** Thrown by the exit procedure to leave the tool's main; an Error, so that no "catch (Exception)" swallows it. */
    private static final class ToolExit extends Error {
        ToolExit() {
            super("tool exit", null, false, false);
        }
    }

    private static final class Call {
        final ByteArrayOutputStream out = new ByteArrayOutputStream();
        final ByteArrayOutputStream err = new ByteArrayOutputStream();
        final InputStream in;
        final List<Runnable> hooks = Collections.synchronizedList(new ArrayList<>());
        volatile Integer rc;

        Call(byte[] input) {
            this.in = new ByteArrayInputStream(input);
        }

        /** A real exit lets nothing come after it: what a "catch (Throwable)" makes of our ToolExit is not the tool's output. */
        void write(ByteArrayOutputStream to, byte[] buffer, int offset, int length) {
            if (rc == null || !Thread.currentThread().getName().equals(TOOL_THREAD)) {
                to.write(buffer, offset, length);
            }
        }

        void runHooks() throws InterruptedException {
            for (Runnable hook : List.copyOf(hooks)) {
                Thread thread = new Thread(hook, "tool-exit-hook");
                thread.setContextClassLoader(Thread.currentThread().getContextClassLoader());
                thread.start();
                thread.join(HOOK_MS_MAX);
            }
        }

        /** The first exit code wins: a later one comes from a "finally" or a catch of our own ToolExit. */
        synchronized void exit(int code) {
            if (rc == null) {
                rc = code;
            }
        }
    }

    private static final String TOOL_THREAD = "tool";
    private static final long HOOK_MS_MAX = 10_000;

    private static volatile Call current = new Call(new byte[0]);

    public static void main(String[] argv) throws Exception {
        DataInputStream requests = new DataInputStream(System.in);
        DataOutputStream answers = new DataOutputStream(System.out);
        redirectStandardStreams();
        Exit.setExitProcedure(ToolRunner::exit);
        Exit.setHaltProcedure(ToolRunner::exit);
        Exit.setShutdownHookAdder((name, hook) -> current.hooks.add(hook));

        ObjectMapper json = new ObjectMapper();
        while (true) {
            byte[] request;
            try {
                request = requests.readNBytes(requests.readInt());
            } catch (EOFException end) {
                break;
            }
            byte[] answer = json.writeValueAsBytes(run(json, json.readTree(request)));
            answers.writeInt(answer.length);
            answers.write(answer);
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static ObjectNode run(ObjectMapper json, JsonNode request) throws Exception {
        List<String> args = new ArrayList<>();
        request.get("args").forEach(arg -> args.add(arg.asText()));
        Call call = new Call(Base64.getDecoder().decode(request.get("input").asText()));
        current = call;
        try (URLClassLoader loader = new ToolClassLoader()) {
            Thread thread = new Thread(() -> invoke(call, loader, request.get("class").asText(), args), TOOL_THREAD);
            thread.setContextClassLoader(loader);
            thread.start();
            thread.join();
            call.runHooks();
        }
        System.out.flush();
        System.err.flush();
        Base64.Encoder base64 = Base64.getEncoder();
        ObjectNode answer = json.createObjectNode();
        answer.put("rc", call.rc == null ? 0 : call.rc);
        answer.put("out", base64.encodeToString(call.out.toByteArray()));
        answer.put("err", base64.encodeToString(call.err.toByteArray()));
        return answer;
    }

    private static void invoke(Call call, ClassLoader loader, String className, List<String> args) {
        try {
            Class.forName(className, true, loader).getMethod("main", String[].class)
                .invoke(null, (Object) args.toArray(new String[0]));
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof ToolExit)) {
                e.getCause().printStackTrace();
                call.exit(1);
            }
        } catch (ReflectiveOperationException e) {
            e.printStackTrace();
            call.exit(127);
        }
    }

    private static void exit(int code, String message) {
        current.exit(code);
        throw new ToolExit();
    }

    private static void redirectStandardStreams() {
        System.setIn(new InputStream() {
            @Override
            public int read() throws IOException {
                return current.in.read();
            }

            @Override
            public int read(byte[] buffer, int offset, int length) throws IOException {
                return current.in.read(buffer, offset, length);
            }

            @Override
            public int available() throws IOException {
                return current.in.available();
            }
        });
        System.setOut(delegate(true));
        System.setErr(delegate(false));
    }

    private static PrintStream delegate(boolean toOut) {
        return new PrintStream(new OutputStream() {
            @Override
            public void write(int b) {
                write(new byte[] {(byte) b}, 0, 1);
            }

            @Override
            public void write(byte[] buffer, int offset, int length) {
                Call call = current;
                call.write(toOut ? call.out : call.err, buffer, offset, length);
            }
        }, true) {
            /** Some tools close what they print to; the next call needs it again. */
            @Override
            public void close() {
                flush();
            }
        };
    }

    /** Loads the tools' own packages anew, everything else from the application class path. */
    private static final class ToolClassLoader extends URLClassLoader {
        private static final List<String> FRESH = List.of(
            "org.apache.kafka.tools.", "org.apache.kafka.shell.", "kafka.admin.", "kafka.tools.");

        ToolClassLoader() throws IOException {
            super(toolJars(), ToolRunner.class.getClassLoader());
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (FRESH.stream().noneMatch(name::startsWith)) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                if (loaded != null) {
                    return loaded;
                }
                try {
                    return findClass(name);
                } catch (ClassNotFoundException notATool) {
                    return super.loadClass(name, resolve);
                }
            }
        }

        private static URL[] toolJars() throws IOException {
            List<URL> urls = new ArrayList<>();
            for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
                String jar = new File(entry).getName();
                if (jar.matches("(kafka-tools|kafka-shell|kafka_2\\.13)-[0-9.]+\\.jar")) {
                    urls.add(new File(entry).toURI().toURL());
                }
            }
            return urls.toArray(new URL[0]);
        }
    }
}
