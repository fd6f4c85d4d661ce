"""Kafka's console tools as Python calls: in a warm JVM (ToolRunner.java), or as a process of their own when they must run beside others."""

import base64
import json
import shlex
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from beside import PATIENCE, Beside

LIB = Path(__file__).resolve().parent
COMPAT = LIB.parent
TARGET = COMPAT / "target"
KAFKA_HOME = TARGET / "kafka-home"
TOOL_HEAP = "-Xmx512m"


@dataclass
class Result:
    """What one tool call left behind."""

    command: str
    out: str
    err: str
    rc: int
    raw: bytes = b""  # stdout, undecoded

    @property
    def lines(self):
        return [line for line in self.out.splitlines() if line.strip()]

    @property
    def all(self):
        """stdout and stderr together, for messages that tools put on either."""
        return self.out + self.err

    def __str__(self):
        return f"$ {self.command}\nrc={self.rc}\n--- stdout\n{clip(self.out)}\n--- stderr\n{clip(self.err)}"


class ToolTimeout(AssertionError):
    """A tool did not end in its time; its JVM has been killed."""


def clip(text, limit=6000):
    return text if len(text) <= limit else f"{text[:limit // 2]}\n[... {len(text) - limit} characters ...]\n{text[-limit // 2:]}"


def tool_classes():
    rows = (line.split() for line in (LIB / "kafka-tools.txt").read_text().splitlines() if not line.startswith("#"))
    return {"together": "Together", "topic-data": "TopicData", **dict(row for row in rows if row)}


def java_command(heap, *rest):
    log4j = KAFKA_HOME / "config" / "log4j2.properties"
    # Kafka's option specs print the time zone and number formats of the machine: pin them.
    return ["java", heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Duser.language=en",
            "-Duser.country=US", "-Duser.timezone=UTC", f"-Dlog4j2.configurationFile={log4j}", *rest]


class ToolJvm:
    """One warm JVM; calls go one at a time. What the tools leave behind (files, native libraries) lies in `work_dir`."""

    def __init__(self, work_dir):
        self.temporary = Path(work_dir) / "tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.classes = tool_classes()
        self.process = None
        self.lock = threading.Lock()

    def call(self, name, args, input_bytes, timeout_s):
        args = [str(arg) for arg in args]
        command = shlex.join([name, *args])
        request = {"class": self.classes[name], "args": args, "input": base64.b64encode(input_bytes).decode()}
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.process = self._start()
            watchdog = threading.Timer(PATIENCE * timeout_s, self.process.kill)
            watchdog.start()
            try:
                answer = json.loads(self._exchange(json.dumps(request).encode()))
            except EOFError:
                self.process.wait()
                raise ToolTimeout(f"no end after {PATIENCE * timeout_s} s (or the JVM died): {command}") from None
            except BaseException:
                # Broken off in the middle (the check's own time is over): what this JVM still says must not be the next call's answer.
                self.process.kill()
                self.process.wait()
                raise
            finally:
                watchdog.cancel()
        out, err = base64.b64decode(answer["out"]), base64.b64decode(answer["err"])
        return Result(command, out.decode(errors="replace"), err.decode(errors="replace"), answer["rc"], out)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def _start(self):
        class_path = f"{KAFKA_HOME}/classes:{KAFKA_HOME}/libs/*"
        log = open(TARGET / "tool-jvm.log", "ab")
        return subprocess.Popen(java_command(TOOL_HEAP, f"-Djava.io.tmpdir={self.temporary}", "-cp", class_path, "ToolRunner"), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=log)

    def _exchange(self, request):
        try:
            self.process.stdin.write(len(request).to_bytes(4, "big") + request)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise EOFError from None
        return self._read(int.from_bytes(self._read(4), "big"))

    def _read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            raise EOFError
        return data


class ToolProcess(Beside):
    """A tool running beside the checks: a consumer that waits, a producer that keeps sending. stdout and stderr go to files."""

    def __init__(self, name, args, work_dir, stdin=False, heap="-Xmx128m", log_level="WARN"):
        self.command = shlex.join([name, *map(str, args)])
        self.out_path, self.err_path = work_dir / f"{name}.out", work_dir / f"{name}.err"
        main = tool_classes()[name]
        self.process = subprocess.Popen(
            java_command(heap, f"-Dkafka.loglevel={log_level}", "-cp", f"{KAFKA_HOME}/libs/*", main, *map(str, args)),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=open(self.out_path, "wb"), stderr=open(self.err_path, "wb"))

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    def wait(self, timeout_s=60):
        try:
            rc = self.process.wait(PATIENCE * timeout_s)
        except subprocess.TimeoutExpired:
            self.stop()
            raise ToolTimeout(f"no end after {PATIENCE * timeout_s} s: {self.command}\n{clip(self.out)}") from None
        return Result(self.command, self.out, self.err, rc, self.out_path.read_bytes())

    def stop(self):
        super().stop()
        return Result(self.command, self.out, self.err, self.process.returncode, self.out_path.read_bytes())


def table(text, first_column):
    """The rows under the heading line that starts with `first_column`, each as a dict by heading. Cells must not hold blanks."""
    rows, heading = [], None
    for cells in map(str.split, text.splitlines()):
        if cells and cells[0] == first_column:
            heading = cells
        elif heading and cells:
            rows.append(dict(zip(heading, cells)))
    return rows
