"""The Streams application as a process, and the topics that it is fed with and answers to."""

import re
import subprocess
import time
from collections import Counter, defaultdict

from beside import PATIENCE, Beside
from build import java_classes, maven_jars
from harness import COMPAT, CheckFailed, eventually, expect, expect_eq
from jvm import clip, java_command

PARTITIONS = 4
STEP_MS = 10
# Partitions, cleanup policy and other settings of the commonest internal topics.
REPARTITION = f"{PARTITIONS} delete retention.ms=-1 segment.bytes=52428800"
CHANGELOG = f"{PARTITIONS} compact"
CONFIG = {
    "num.stream.threads": 2, "commit.interval.ms": 200, "poll.ms": 50,
    "session.timeout.ms": 3000, "heartbeat.interval.ms": 300, "repartition.purge.interval.ms": 500,
}


STREAMS = COMPAT / "streams"


def current():
    """The class path of the application with the Streams of the tools' release."""
    return java_classes("streams-app", STREAMS / "java")


def older():
    """The same application, built with an older Streams: applications are seldom as new as their broker."""
    return java_classes("streams-app-3.5", STREAMS / "java", maven_jars("kafka-3.5", STREAMS / "kafka-3.5.pom.xml"))


class App(Beside):
    """One instance. All instances of a prefix are one application; each has a state directory that outlives its process."""

    def __init__(self, ctx, broker, prefix, instance="a", class_path=current, **config):
        self.state_dir = ctx.work_dir / f"state-{instance}"
        self.state_dir.mkdir(exist_ok=True)
        self.log = ctx.work_dir / f"app-{instance}-{len(ctx.processes)}.log"
        settings = [f"{key}={value}" for key, value in {**CONFIG, **config}.items()]
        command = java_command("-Xmx256m", "-cp", class_path(), "StreamsApp", broker.bootstrap, prefix, prefix, str(self.state_dir), *settings)
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

    def leave(self):
        """A clean stop, without a complaint in all its life."""
        self.stop()
        expect("\nclosed\n" in self.log.read_text(errors="replace"), f"the application did not close\n{self}")
        expect_eq(self.told("failed"), [], "failures")

    def __str__(self):
        return f"--- {self.log}\n{clip(self.log.read_text(errors='replace'))}"


class Topics:
    """The topics of one application, under a prefix of their own. Counts and joins are what each key of a result must come to."""

    def __init__(self, ctx, broker, sources, counts, joins):
        self.ctx, self.broker = ctx, broker
        self.prefix = ctx.unique("streams")
        self.sources = sources
        self.first_ms = int(time.time() - 3600) // 10 * 10_000
        self.counts = {name: Counter() for name in counts}
        self.joins = {name: {} for name in joins}
        self.create(*sources, *counts, *joins)

    def topic(self, name):
        return f"{self.prefix}-{name}"

    def call(self, command, *args, input=b"", timeout_s=120):
        result = self.ctx.tools.call("topic-data", [command, self.broker.bootstrap, *args], input, timeout_s)
        expect(result.rc == 0, f"{command} failed", result)
        return result

    def create(self, *names):
        self.call("create", *(f"{self.topic(name)}:{PARTITIONS}" for name in names))

    def put(self, rows):
        """Sends (topic, partition or None for the key's, step of time, key, value)."""
        text = "".join(
            f"{self.topic(name)}\t{'' if spread is None else spread % PARTITIONS}\t{self.first_ms + step * STEP_MS}\t{key}\t{value}\n"
            for name, spread, step, key, value in rows)
        self.call("send", input=text.encode())

    def settled(self, timeout_s=120):
        """Waits until the application has read, worked off and committed everything, its own topics included."""
        self.call("settled", self.prefix, str(PATIENCE * timeout_s), *map(self.topic, self.sources), timeout_s=timeout_s + 30)

    def results(self, name):
        """Each key's values, oldest first."""
        values = defaultdict(list)
        for key, value in self.ctx.read(self.topic(name), self.broker):
            values[key].append(value)
        return values

    def internal(self):
        """What is seen of each topic that the application made for itself: partitions, cleanup policy, other settings."""
        seen = {}
        text = self.ctx.tool("kafka-topics", "--describe", broker=self.broker).out
        for name, count, configs in re.findall(rf"^Topic: {self.prefix}-(\S+)\s.*PartitionCount: (\d+)\s.*Configs: (\S*)$", text, re.M):
            if name.endswith(("-repartition", "-changelog", "-topic")):
                settings = dict(re.findall(r"([a-z.]+)=(\S+?)(?=,[a-z.]+=|$)", configs))
                expect_eq(settings.pop("message.timestamp.type"), "CreateTime", f"timestamps of {name}")
                settings.pop("min.insync.replicas")
                seen[name] = " ".join([count, settings.pop("cleanup.policy"), *(f"{key}={value}" for key, value in sorted(settings.items()))])
        return seen

    def last(self, name):
        """Each key's newest value, as a number; a key that was taken back is not there."""
        return {key: int(values[-1]) for key, values in self.results(name).items() if values[-1] != "null"}

    def exact(self, times=1):
        """Every count as it must be; every join once, or as often as the application began anew."""
        for name, wanted in self.counts.items():
            expect_eq(difference(self.last(name), wanted), [], f"{name} (key, got, expected)")
        for name, wanted in self.joins.items():
            expect_eq(difference(self.results(name), {key: [value] * times for key, value in wanted.items()}), [], f"{name} (key, got, expected)")

    def none_lost(self):
        """At least once: a count may only be too high, and not beyond everything twice; a join may come again, the same."""
        for name, wanted in self.counts.items():
            got = self.last(name)
            wrong = [(key, got.get(key), count) for key, count in wanted.items() if not count <= got.get(key, 0) <= 2 * count]
            expect_eq(wrong[:20], [], f"{name} (key, got, expected)")
        for name, wanted in self.joins.items():
            got = {key: sorted(set(values)) for key, values in self.results(name).items()}
            expect_eq(difference(got, {key: [value] for key, value in wanted.items()}), [], f"{name} (key, got, expected)")


def difference(got, wanted):
    return [(key, got.get(key), wanted.get(key)) for key in sorted(got.keys() | wanted.keys()) if got.get(key) != wanted.get(key)][:20]
