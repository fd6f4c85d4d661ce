"""What a check module imports: the @check decorator, the context a check gets, and assertions with readable failures.

A check module is a Python file that driver.py finds (see ../README.md). Its checks run one after another; by default
they share one running broker and keep apart by unique names. A check that stops or kills its broker, or needs other
settings, asks for its own with ctx.new_broker().
"""

import difflib
import itertools
import os
import re
import subprocess
import time
import uuid
from pathlib import Path

from beside import PATIENCE
from broker import Broker, BrokerError  # noqa: F401 (for check modules)
from jvm import COMPAT, KAFKA_HOME, TARGET, Result, ToolProcess, ToolTimeout, clip, table  # noqa: F401

REGISTRY = []
# Tools that read files, or name their server by another option.
_NO_BOOTSTRAP = {"kafka-metadata-shell", "kafka-dump-log", "kafka-storage", "connect-distributed", "connect-standalone", "connect-mirror-maker", "kafka-replica-verification"}
# Not for the warm JVM: the producer sends its last records, and prints its summary, only when the JVM really ends; the shell waits
# for ever for a snapshot's end there.
_OWN_PROCESS = {"kafka-verifiable-producer", "kafka-metadata-shell"}
# The console producer gives a request a second and a half and tries three times: too little for a busy machine.
PATIENT_PRODUCER = ("--request-timeout-ms", "60000")


class CheckFailed(AssertionError):
    """An assertion of a check did not hold."""


def check(name, tags=(), own_broker=False, timeout_s=180):
    """Registers a function of one argument (Ctx). `tags`: "slow" is left out by --quick, "ottla" (what Apache Kafka does not have) by --peer, "outside" (of a program that is in no package registry) unless --outside is given. `own_broker`: do not start the shared one for it. Past `timeout_s` the check fails."""
    def register(function):
        REGISTRY.append({"name": name, "run": function, "tags": set(tags), "own_broker": own_broker, "timeout_s": timeout_s})
        return function
    return register


class Ctx:
    """What one check may use. Everything it opens is closed when the check ends."""

    _serial = itertools.count(1)

    def __init__(self, suite, name):
        self.suite = suite
        self.name = name
        self.tools = suite.tools
        self.peer = suite.kind == "kafka"
        self.work_dir = suite.run_dir / re.sub(r"[^a-z0-9]+", "-", name.lower())
        self.work_dir.mkdir(parents=True, exist_ok=True)
        self._brokers = []
        self.processes = []

    @property
    def broker(self):
        """The broker all checks share; started when first asked for, and again when a check left it dead."""
        return self.suite.shared_broker()

    def new_broker(self, overrides=None, log_dirs=1, start=True, kind=None, name=None):
        """A broker of this check's own, stopped (killed if need be) when the check ends."""
        kind = kind or self.suite.kind
        broker = Broker(kind, self.work_dir / (name or f"{kind}-{len(self._brokers)}"), self.tools, overrides, log_dirs)
        self._brokers.append(broker)
        return broker.start() if start else broker

    def twin(self, broker, kind=None):
        """A broker on a copy of a stopped broker's directories, not started; see Broker.copy()."""
        twin = broker.copy(kind or self.suite.kind, self.work_dir / f"twin-{len(self._brokers)}")
        self._brokers.append(twin)
        return twin

    def unique(self, prefix="t"):
        """A name no other check uses."""
        return f"{prefix}-{next(self._serial)}-{uuid.uuid4().hex[:6]}"

    def topic(self, prefix="t", partitions=1, broker=None, **configs):
        """Creates a topic and returns its name. Configs: underscores for dots, e.g. retention_ms=1000."""
        name = self.unique(prefix)
        args = [arg for key, value in configs.items() for arg in ("--config", f"{key.replace('_', '.')}={value}")]
        result = self.tool("kafka-topics", "--create", "--topic", name, "--partitions", partitions, *args, broker=broker)
        expect_in(f"Created topic {name}.", result.out, result)
        return name

    def fixture(self, key, build):
        """What several checks look at and only the first pays for, e.g. the files of a stopped broker. build(ctx) gets a Ctx that lives as long as the run, or as the module when something runs in it."""
        return self.suite.fixture(key, build)

    def tool(self, name, *args, input=None, timeout=60, rc=0, broker=None):
        """Runs one of Kafka's console tools and returns its Result.

        --bootstrap-server is added unless the tool reads files or `args` name a server. The exit code must be `rc`;
        rc=None leaves it to the check. `input` (str or bytes) is the tool's stdin.
        """
        args = self._with_server(name, [*map(str, args)], broker)
        if name in _OWN_PROCESS:
            result = self._tool_process(name, args).wait(timeout)
        else:
            result = self.tools.call(name, args, as_bytes(input), timeout)
        if rc is not None and result.rc != rc:
            raise CheckFailed(f"exit code {result.rc}, expected {rc}\n{result}")
        return result

    def together(self, name, *runs, broker=None, timeout=60):
        """Runs a tool once for each list of arguments, all at once in the warm JVM: for tools that mostly wait."""
        lists = [self._with_server(name, [*map(str, args)], broker) for args in runs]
        args = [self.tools.classes[name], *lists[0], *(arg for more in lists[1:] for arg in ("--", *more))]
        result = self.tools.call("together", args, b"", timeout)
        expect(result.rc == 0, f"exit code {result.rc}", result)
        return result

    def tool_start(self, name, *args, broker=None, stdin=False, heap="-Xmx128m", log_level="WARN"):
        """Starts a tool as a process of its own, to run beside the check (costs a JVM start)."""
        return self._tool_process(name, self._with_server(name, [*map(str, args)], broker), stdin, heap, log_level)

    def sh(self, *command, input=None, timeout=60, rc=0, env=None, cwd=None):
        """Runs any other program; same rules as tool()."""
        command = [str(part) for part in command]
        try:
            done = subprocess.run(command, input=as_bytes(input), capture_output=True, timeout=PATIENCE * timeout, cwd=cwd or self.work_dir, env={**os.environ, **(env or {})})
        except subprocess.TimeoutExpired as late:
            raise ToolTimeout(f"no end after {PATIENCE * timeout} s: {' '.join(command)}\n{clip((late.stdout or b'').decode(errors='replace'))}\n{clip((late.stderr or b'').decode(errors='replace'))}") from None
        result = Result(" ".join(command), done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"), done.returncode, done.stdout)
        if rc is not None and result.rc != rc:
            raise CheckFailed(f"exit code {result.rc}, expected {rc}\n{result}")
        return result

    def product(self, subcommand, *args, rc=0, timeout=60):
        """Runs `ottla <subcommand>`; against Apache Kafka the tool that it is the counterpart of."""
        if not self.peer:
            return self.sh(os.environ["OTTLA_BIN"], subcommand, *args, rc=rc, timeout=timeout)
        if subcommand == "dump-log":
            return self.tool("kafka-dump-log", *args, rc=rc, timeout=timeout)
        return self.tool("kafka-storage", subcommand, *args, rc=rc, timeout=timeout)

    def produce(self, topic, lines, *args, broker=None):
        """Sends lines (str, or "key\\tvalue" with --property parse.key=true in args) with the console producer."""
        return self.tool("kafka-console-producer", "--topic", topic, *PATIENT_PRODUCER, *args, input="".join(f"{line}\n" for line in lines), broker=broker)

    def consume(self, topic, count, *args, broker=None, timeout=30, from_beginning=True):
        """Reads exactly `count` records with the console consumer and returns the printed lines."""
        start = ["--from-beginning"] if from_beginning else []
        result = self.tool("kafka-console-consumer", "--topic", topic, *start, "--max-messages", count, "--timeout-ms", 15000, *args, broker=broker, timeout=timeout)
        lines = result.out.splitlines()
        if len(lines) != count:
            raise CheckFailed(f"{len(lines)} lines instead of {count}\n{result}")
        return lines

    def read(self, topic, broker=None):
        """(key, value) of every committed record up to the end, None as "null". Of a log with holes or markers the console consumer cannot be told
        how many records to wait for."""
        result = self.tools.call("topic-data", ["read", (broker or self.broker).bootstrap, topic], b"", 60)
        expect(result.rc == 0, f"reading {topic} failed", result)
        return [tuple(line.split("\t", 1)) for line in result.lines]

    def runs_something(self):
        return any(process.process.poll() is None for process in self.processes) or any(broker.running() for broker in self._brokers)

    def close(self):
        for process in self.processes:
            process.stop()
        for broker in self._brokers:
            if broker.running():
                broker.kill9()

    def _tool_process(self, name, args, stdin=False, heap="-Xmx128m", log_level="WARN"):
        work_dir = self.work_dir / f"process-{len(self.processes)}"
        work_dir.mkdir()
        process = ToolProcess(name, args, work_dir, stdin, heap, log_level)
        self.processes.append(process)
        return process

    def _with_server(self, name, args, broker):
        named = any(arg.startswith(("--bootstrap-server", "--bootstrap-controller", "--help", "--version")) for arg in args)
        if name in _NO_BOOTSTRAP or named:
            return args
        server = ["--bootstrap-server", (broker or self.broker).bootstrap]
        # kafka-cluster wants its subcommand first, kafka-features and kafka-metadata-quorum want it last.
        return [*args, *server] if name == "kafka-cluster" else [*server, *args]


def as_bytes(text):
    return text.encode() if isinstance(text, str) else (text or b"")


def expect(condition, message, result=None):
    if not condition:
        raise CheckFailed(message if result is None else f"{message}\n{result}")


def expect_eq(actual, expected, what="value", result=None):
    if actual == expected:
        return
    if isinstance(actual, list) and isinstance(expected, list) and max(len(actual), len(expected)) > 6:
        diff = difflib.unified_diff([*map(str, expected)], [*map(str, actual)], "expected", "got", lineterm="", n=0)
        expect(False, f"{what}:\n" + clip("\n".join(line for line in diff if not line.startswith("@@"))), result)
    expect(False, f"{what}:\n  expected {clip(repr(expected))}\n  got      {clip(repr(actual))}", result)


def expect_in(part, text, result=None):
    expect(part in text, f"{part!r} is not in the output", result if result is not None else Result("", str(text), "", 0))


def expect_not_in(part, text, result=None):
    expect(part not in text, f"{part!r} must not be in the output", result if result is not None else Result("", str(text), "", 0))


def expect_match(pattern, text, result=None):
    """The pattern is searched line by line (re.MULTILINE); returns the match."""
    match = re.search(pattern, text, re.MULTILINE)
    expect(match is not None, f"nothing matches /{pattern}/", result if result is not None else Result("", str(text), "", 0))
    return match


def eventually(condition, what, timeout_s=15, interval_s=0.2, patience=PATIENCE):
    """Waits until `condition()` is true and returns its value; a CheckFailed inside counts as "not yet". `patience` is 1 where a longer wait would prove nothing."""
    timeout_s *= patience
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            value, reason = condition(), "condition is false"
        except CheckFailed as failed:
            value, reason = None, str(failed)
        if value:
            return value
        if time.monotonic() > deadline:
            raise CheckFailed(f"not within {timeout_s} s: {what}\nlast: {reason}")
        time.sleep(interval_s)


def data_file(name, module_file):
    """A file kept beside the check module, in its data/ folder."""
    return Path(module_file).resolve().parent / "data" / name


def expect_golden(ctx, path, lines):
    """The lines must be those of the data file, which `compat/run --peer --record` writes from Apache Kafka's own answers."""
    lines = list(lines)
    if ctx.suite.record:
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
        return
    expected = path.read_text().splitlines()
    diff = [line for line in difflib.unified_diff(expected, lines, "Apache Kafka", "here", lineterm="", n=0) if not line.startswith("@@")]
    expect(not diff, f"not what Apache Kafka answers ({path.name}), {max(0, len(diff) - 2)} lines differ:\n" + "\n".join(diff[:60]))
