"""What every bench beside Apache Kafka 4.3.1 needs: both brokers as an operator runs them, built and laid out, and what their runs come to."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "compat" / "lib"))
sys.dont_write_bytecode = True

from broker import Broker  # noqa: E402
from jvm import KAFKA_HOME, TARGET  # noqa: E402

KINDS = ("kafka", "ottla")
DRIVER_TIMEOUT_S = 900
DEFAULT_PATIENCE = {"broker.session.timeout.ms": "9000", "broker.heartbeat.interval.ms": "2000"}


class BenchBroker(Broker):
    """The broker as an operator runs it: Apache Kafka with the JVM flags of its own start script, both logging at their default level,
    both with the default patience for one that was killed, which the checks of compat/ shorten."""

    def properties(self):
        return {**super().properties(), **DEFAULT_PATIENCE, **self.overrides}

    def launch(self):
        self.launched_s = time.monotonic()
        return super().launch()

    def first_ack(self, topic, **options):
        """Launches it; returns the phase from then until it has acknowledged a record."""
        self.write_properties()
        if not (self.data_dir / "meta.properties").exists():
            self._format()
        self.launch()
        return drive("first-ack", self, since=self.launched_s, topic=topic, **options)["first-ack"]

    def timed_stop(self):
        begun = time.monotonic()
        self.stop()
        return time.monotonic() - begun

    def rss_mb(self):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def cpu(self):
        """User and system seconds that the process has used so far: the sum is exact, how it divides is known in ticks."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        user, system = int(fields[11]), int(fields[12])
        # The clock of another process's CPU time, as clock_getcpuclockid makes it.
        total = time.clock_gettime((~self.pid << 3) | 2)
        user_s = total * user / max(user + system, 1)
        return user_s, total - user_s

    def _command(self):
        if self.kind == "ottla":
            return super()._command()
        log4j = KAFKA_HOME / "config" / "log4j2.properties"
        return ["java", "-Xmx1g", "-Xms1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
                "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
                "-Dkafka.loglevel=INFO", f"-Dlog4j2.configurationFile={log4j}", "-cp", f"{KAFKA_HOME}/libs/*", "kafka.Kafka",
                str(self.properties_path)]


def build(*packages, with_kafka=True):
    """Lays out Kafka and builds what runs, unless OTTLA_BIN names a broker (with bench-driver beside it, where one is needed)."""
    if with_kafka:
        subprocess.run([ROOT / "compat" / "lib" / "kafka-home.sh"], check=True, stdout=subprocess.DEVNULL)
    if "OTTLA_BIN" not in os.environ:
        packages = [option for package in ("ottla", *packages) for option in ("-p", package)]
        subprocess.run(["cargo", "build", "--release", "--bins", *packages], check=True, cwd=ROOT)
        os.environ["OTTLA_BIN"] = str(Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "release" / "ottla")
    TARGET.mkdir(exist_ok=True)


def in_turn(rounds, kinds=KINDS):
    """The brokers in the order of their runs. It changes each round, so that none always gets the warmer machine."""
    for number in range(rounds):
        yield from ((number, kind) for kind in (kinds if number % 2 == 0 else reversed(kinds)))


def drive(command, broker=None, **options):
    """Runs benches/driver; returns its phases by name. Options have underscores for dashes; True is a flag."""
    words = [str(Path(os.environ["OTTLA_BIN"]).parent / "bench-driver"), command]
    if broker is not None:
        options = {"pid": broker.pid, "bootstrap": broker.bootstrap, **options}
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DRIVER_TIMEOUT_S)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)} failed\n{done.stdout}{done.stderr}")
    phases = [json.loads(line) for line in done.stdout.splitlines()]
    return {phase["phase"]: phase for phase in phases}


def cpu(phase):
    return phase["cpu_user_s"] + phase["cpu_system_s"]


def create_topic(broker, topic, partitions, **configs):
    options = [word for key, value in configs.items() for word in ("--config", f"{key.replace('_', '.')}={value}")]
    arguments = ["--bootstrap-server", broker.bootstrap, "--create", "--topic", topic, "--partitions", partitions, *options]
    result = broker.tools.call("kafka-topics", arguments, b"", 120)
    if result.rc != 0:
        raise SystemExit(f"cannot create {topic}\n{result}")


class Figures:
    """What was measured, by row and broker, and what the runs of each come to."""

    def __init__(self, kinds=KINDS):
        self.kinds = kinds
        self.rows = {}

    def add(self, row, kind, **figures):
        self.rows.setdefault(row, {}).setdefault(kind, []).append(figures)
        told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items() if value is not None)
        print(f"{row}: {kind}: {told}", file=sys.stderr, flush=True)

    def add_all(self, earlier):
        """The rows of an earlier run, as if its rounds had come first."""
        for row, by_kind in earlier.items():
            mine = self.rows.setdefault(row, {})
            for kind, runs in by_kind.items():
                mine[kind] = runs + mine.get(kind, [])

    def values(self, row, kind, name):
        return [run[name] for run in self.rows[row].get(kind, ()) if run.get(name) is not None]

    def median(self, row, kind, name):
        values = self.values(row, kind, name)
        return statistics.median(values) if values else None

    def ratios(self, row, name, over="kafka", under="ottla"):
        """How many times as much `over` needs, round by round."""
        pairs = zip(self.values(row, over, name), self.values(row, under, name))
        return [over / under for over, under in pairs if under]

    def ratio(self, row, name, over="kafka", under="ottla"):
        """Of the medians; None when `under` needs too little to be measured, or one of them was not."""
        over, under = (self.median(row, kind, name) for kind in (over, under))
        return over / under if under and over is not None else None
