"""The Streams application as a process, the records it is fed with, and the results it must come to."""

import re
import subprocess
import time
from collections import Counter, defaultdict

from build import java_classes
from harness import COMPAT, CheckFailed, eventually, expect, expect_eq
from jvm import clip, java_command

PARTITIONS = 4
SOURCES = ("lines", "orders", "payments", "customers")
RESULTS = ("counts", "windows", "paid", "billed")
LINES = 8000
ORDERS = 5000
CUSTOMERS = 300
STEP_MS = 10
WINDOW_MS = 10_000
CONFIG = {
    "num.stream.threads": 2, "commit.interval.ms": 200, "poll.ms": 50,
    "session.timeout.ms": 3000, "heartbeat.interval.ms": 300, "repartition.purge.interval.ms": 500,
    "processing.exception.handler.global.enabled": "true",  # quiet
}


class App:
    """One instance. All instances of a prefix are one application; each has a state directory that outlives its process."""

    def __init__(self, ctx, broker, prefix, instance="a", **config):
        class_path = java_classes("streams-app", COMPAT / "streams" / "java")
        self.state_dir = ctx.work_dir / f"state-{instance}"
        self.state_dir.mkdir(exist_ok=True)
        self.log = ctx.work_dir / f"app-{instance}-{len(ctx.processes)}.log"
        settings = [f"{key}={value}" for key, value in {**CONFIG, **config}.items()]
        command = java_command("-Xmx256m", "-cp", class_path, "StreamsApp", broker.bootstrap, prefix, prefix, str(self.state_dir), *settings)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        ctx.processes.append(self)

    def told(self, word):
        """What follows `word` on each line that starts with it, in the order of the lines."""
        return re.findall(rf"^{word} (.+)$", self.log.read_text(errors="replace"), re.M)

    def records(self):
        return int((self.told("records") or [0])[-1])

    def tasks(self):
        """Active and standby tasks, as last reported."""
        active, standby = (self.told("tasks") or ["0 0"])[-1].split()
        return int(active), int(standby)

    def restored(self):
        """How many records each store took from its changelog."""
        total = Counter()
        for store, count in map(str.split, self.told("restored")):
            total[store] += int(count)
        return total

    def reaches(self, what, condition, timeout_s=60):
        """Waits for it; an application that ends meanwhile has failed."""
        try:
            eventually(lambda: self.process.poll() is not None or condition(self), what, timeout_s, interval_s=0.05)
        except CheckFailed as failed:
            raise CheckFailed(f"{failed}\n{self}") from None
        expect(self.process.poll() is None, f"the application ended with {self.process.returncode}\n{self}")

    def kill9(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; a process that has ended already is left as it is."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill9()

    def leave(self):
        """A clean stop, without a complaint in all its life."""
        self.stop()
        expect("\nclosed\n" in self.log.read_text(errors="replace"), f"the application did not close\n{self}")
        expect_eq(self.told("failed"), [], "failures")

    def __str__(self):
        return f"--- {self.log}\n{clip(self.log.read_text(errors='replace'))}"


class Data:
    """The topics of one application, under a prefix of their own, and what has been sent to them so far."""

    def __init__(self, ctx, broker):
        self.ctx, self.broker = ctx, broker
        self.prefix = ctx.unique("streams")
        self.first_ms = int(time.time() - 3600) // 10 * 10_000
        self.rounds = 0
        self.expected = {result: Counter() if result in ("counts", "windows") else {} for result in RESULTS}
        ctx.tools.classes["topic-data"] = "TopicData"
        self.call("create", *(f"{self.topic(name)}:{PARTITIONS}" for name in (*SOURCES, *RESULTS)))

    def topic(self, name):
        return f"{self.prefix}-{name}"

    def call(self, command, *args, input=b"", timeout_s=120):
        result = self.ctx.tools.call("topic-data", [command, self.broker.bootstrap, *args], input, timeout_s)
        expect(result.rc == 0, f"{command} failed", result)
        return result

    def send(self):
        """One round of records for every source; the results grow by what they lead to."""
        rows = []
        for n in range(CUSTOMERS):
            # Before the first order: at the same time the join may see either of them first.
            rows.append(("customers", None, -1, f"customer-{n}", f"name-{n}"))
        for n in range(self.rounds * LINES, (self.rounds + 1) * LINES):
            words = [f"w-{n % 50}", f"w-{n % 7}", f"id-{n}"]
            rows.append(("lines", n, n, "", " ".join(words)))
            self.expected["counts"].update(words)
            start_ms = (self.first_ms + n * STEP_MS) // WINDOW_MS * WINDOW_MS
            self.expected["windows"].update(f"{word}@{start_ms}" for word in words[:2])
        for n in range(self.rounds * ORDERS, (self.rounds + 1) * ORDERS):
            customer = f"customer-{n * 7 % CUSTOMERS}"
            rows.append(("orders", n, n, f"till-{n % 9}", f"order-{n} {customer}"))
            rows.append(("payments", n * 3 + 1, n, "", f"order-{n} {n * 5}"))
            self.expected["paid"][f"order-{n}"] = f"{customer} {n * 5}"
            self.expected["billed"][f"order-{n}"] = customer.replace("customer", "name")
        self.rounds += 1
        text = "".join(
            f"{self.topic(source)}\t{'' if spread is None else spread % PARTITIONS}\t{self.first_ms + step * STEP_MS}\t{key}\t{value}\n"
            for source, spread, step, key, value in rows)
        self.call("send", input=text.encode())

    def settled(self, timeout_s=120):
        """Waits until the application has read, worked off and committed everything, its own topics included."""
        self.call("settled", self.prefix, str(timeout_s), *map(self.topic, SOURCES), timeout_s=timeout_s + 30)

    def results(self, name):
        """Each key's values, oldest first."""
        values = defaultdict(list)
        for line in self.call("read", self.topic(name)).lines:
            key, value = line.split("\t")
            values[key].append(value)
        return values

    def exact(self, times=1):
        """Every count as it must be; every join once, or as often as the application began anew."""
        for name in ("counts", "windows"):
            last = {key: int(values[-1]) for key, values in self.results(name).items()}
            expect_eq(difference(last, self.expected[name]), [], f"{name} (key, got, expected)")
        for name in ("paid", "billed"):
            wanted = {key: [value] * times for key, value in self.expected[name].items()}
            expect_eq(difference(self.results(name), wanted), [], f"{name} (key, got, expected)")

    def none_lost(self):
        """At least once: a count may only be too high, and not beyond everything twice; a join may come again, the same."""
        for name in ("counts", "windows"):
            got = self.results(name)
            wrong = [(key, got.get(key), count) for key, count in self.expected[name].items()
                     if not count <= int(got.get(key, [0])[-1]) <= 2 * count]
            expect_eq(wrong[:20], [], f"{name} (key, got, expected)")
        for name in ("paid", "billed"):
            got = {key: sorted(set(values)) for key, values in self.results(name).items()}
            wanted = {key: [value] for key, value in self.expected[name].items()}
            expect_eq(difference(got, wanted), [], f"{name} (key, got, expected)")


def difference(got, wanted):
    return [(key, got.get(key), wanted.get(key)) for key in sorted(got.keys() | wanted.keys()) if got.get(key) != wanted.get(key)][:20]
