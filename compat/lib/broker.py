"""Starts, stops and kills the broker under test: Ottla, or Apache Kafka itself, from one and the same server.properties."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
import uuid
import base64
from pathlib import Path

from beside import PATIENCE
from jvm import KAFKA_HOME, java_command
from ports import free_ports

START_TIMEOUT_S = 60 * PATIENCE
STOP_TIMEOUT_S = 60 * PATIENCE

BASE_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    # A broker killed with SIGKILL may only register again when its old session has ended; do not wait 9 s for that.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
}


class BrokerError(AssertionError):
    """The broker did not start, stop or answer as it must."""


class Broker:
    """One node. `kind` is "ottla" or "kafka"; both get the same files and options."""

    def __init__(self, kind, work_dir, tools, overrides=None, log_dirs=1, heap="-Xmx512m"):
        self.kind = kind
        self.work_dir = Path(work_dir)
        self.work_dir.mkdir(parents=True, exist_ok=True)
        self.tools = tools
        self.heap = heap
        self.port, self.controller_port = free_ports(2)
        self.log_dirs = [self.work_dir / f"data-{i}" for i in range(log_dirs)]
        self.overrides = {k: str(v) for k, v in (overrides or {}).items()}
        self.cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        self.env = {}  # added to the process's environment
        self.program = None  # of another Ottla than $OTTLA_BIN
        self.format_options = ["--standalone"]
        self.process = None
        self.starts = 0

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def controller(self):
        return f"127.0.0.1:{self.controller_port}"

    @property
    def data_dir(self):
        """The first log dir, which also holds the metadata log."""
        return self.log_dirs[0]

    @property
    def pid(self):
        return self.process.pid

    @property
    def properties_path(self):
        return self.work_dir / "server.properties"

    @property
    def log_path(self):
        """What the running (or last) process printed; one file per start."""
        return self.work_dir / f"broker-{self.starts}.log"

    def properties(self):
        listeners = {
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://{self.controller}",
            "controller.quorum.bootstrap.servers": self.controller,
            "log.dirs": ",".join(map(str, self.log_dirs)),
        }
        return {**BASE_PROPERTIES, **listeners, **self.overrides}

    def start(self, overrides=None):
        """Starts and waits until clients are served. `overrides` are added to those of earlier starts; a value of None takes a key away."""
        for key, value in (overrides or {}).items():
            self.overrides.pop(key, None)
            if value is not None:
                self.overrides[key] = str(value)
        self.write_properties()
        return self.start_as_configured()

    def start_as_configured(self):
        """Starts with the server.properties that lies there."""
        if not (self.data_dir / "meta.properties").exists():
            self._format()
        self.launch()
        self._wait_until_serving()
        return self

    def launch(self):
        """Starts the process on what start() has laid out, without waiting."""
        self.starts += 1
        log = open(self.log_path, "wb")
        self.process = subprocess.Popen(self._command(), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        cwd=self.work_dir, env={**os.environ, **self.env})
        return self

    def write_properties(self, path=None):
        lines = (f"{key}={value}\n" for key, value in self.properties().items())
        (path or self.properties_path).write_text("".join(lines))

    def stop(self):
        """SIGTERM; the clean stop must end in time. Returns the exit code (Kafka's JVM: 143)."""
        return self._signal(signal.SIGTERM)

    def kill9(self):
        return self._signal(signal.SIGKILL)

    def copy(self, kind, work_dir):
        """A stopped broker's twin, of any kind, on a copy of its directories: same ports, same settings. Not started."""
        twin = type(self)(kind, work_dir, self.tools, self.overrides, len(self.log_dirs), self.heap)
        twin.port, twin.controller_port, twin.cluster_id = self.port, self.controller_port, self.cluster_id
        for mine, its in zip(self.log_dirs, twin.log_dirs):
            shutil.copytree(mine, its)
        return twin

    def hand_over(self, kind):
        """The next start on these directories is by a broker of this kind; the running one must have ended."""
        if self.running():
            raise BrokerError(f"{self.kind} still runs")
        self.kind = kind
        return self

    def restart(self, overrides=None):
        self.stop()
        return self.start(overrides)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def partition_dir(self, topic, partition=0):
        """The partition's directory; a running broker makes it soon after the topic was created, not before it answers."""
        deadline = time.monotonic() + (5 * PATIENCE if self.running() else 0)
        while True:
            for log_dir in self.log_dirs:
                if (log_dir / f"{topic}-{partition}").is_dir():
                    return log_dir / f"{topic}-{partition}"
            if time.monotonic() >= deadline:
                break
            time.sleep(0.05)
        raise BrokerError(f"no directory {topic}-{partition} in {[str(d) for d in self.log_dirs]}")

    def _command(self):
        if self.kind == "kafka":
            return java_command(self.heap, "-cp", f"{KAFKA_HOME}/libs/*", "-Dkafka.loglevel=INFO", "kafka.Kafka", str(self.properties_path))
        return [str(self.program or os.environ["OTTLA_BIN"]), "serve", str(self.properties_path)]

    def _format(self):
        # From the settings alone: what a check adds to the file itself may need the broker's environment.
        path = self.work_dir / "format.properties"
        self.write_properties(path)
        arguments = ["format", "-t", self.cluster_id, *self.format_options, "-c", str(path)]
        if self.kind == "ottla":
            done = subprocess.run([os.environ["OTTLA_BIN"], *arguments], capture_output=True, text=True, timeout=60)
            if done.returncode != 0:
                raise BrokerError(f"ottla format failed\n{done.stdout}{done.stderr}")
            return
        result = self.tools.call("kafka-storage", arguments, b"", 60)
        if result.rc != 0:
            raise BrokerError(f"kafka-storage format failed\n{result}")

    def _wait_until_serving(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise BrokerError(f"{self.kind} ended with {self.process.returncode} at start; the end of {self.log_path}:\n{self.log_text()[-3000:]}")
            if serves(self.port):
                return
            time.sleep(0.05)
        self.kill9()
        raise BrokerError(f"{self.kind} does not serve after {START_TIMEOUT_S} s; the end of {self.log_path}:\n{self.log_text()[-3000:]}")

    def _signal(self, number):
        if not self.running():
            return self.process.returncode if self.process else None
        self.process.send_signal(number)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise BrokerError(f"{self.kind} did not stop within {STOP_TIMEOUT_S} s; the end of {self.log_path}:\n{self.log_text()[-3000:]}") from None


def serves(port):
    """True when a Metadata request (v1, no topics) names at least one broker: the node is registered and unfenced."""
    request = struct.pack(">hhih6si", 3, 1, 7, 6, b"compat", 0)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
            sock.settimeout(2)
            sock.sendall(struct.pack(">i", len(request)) + request)
            head = _receive(sock, 12)
            return struct.unpack(">i", head[8:12])[0] > 0
    except (OSError, EOFError):
        return False


def _receive(sock, size):
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
