"""Starting a node: server.properties as Kafka reads it, and what Ottla does without any."""

import os
import shutil
import signal
import subprocess
import time

from broker import serves
from harness import check, eventually, expect, expect_eq, expect_in, table
from ports import free_ports


def broker_config(ctx, broker, name):
    """A config of broker 1 as kafka-configs prints it: (value, synonyms)."""
    result = ctx.tool("kafka-configs", "--describe", "--all", "--entity-type", "brokers", "--entity-name", "1", broker=broker)
    line = next((line.strip() for line in result.lines if line.strip().startswith(f"{name}=")), None)
    expect(line is not None, f"{name} is not described", result)
    value, synonyms = line.removeprefix(f"{name}=").split(" sensitive=false synonyms=")
    return value, synonyms


@check("serve: server.properties in all of Java's syntax, with values from the environment and from files", own_broker=True)
def properties_syntax(ctx):
    broker = ctx.new_broker(start=False)
    secrets = ctx.work_dir / "values.properties"
    secrets.write_text("rack = from a file\n")
    broker.env = {"COMPAT_PARTITIONS": "7"}
    broker.write_properties()
    with open(broker.properties_path, "a", encoding="ascii") as file:
        file.write("\n".join([
            "# a comment", "! another", "",
            "config.providers=env,file",
            "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            "config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider",
            "num.partitions ${env:COMPAT_PARTITIONS}",
            f"broker.rack : ${{file:{secrets}:rack}}",
            "compression.type = \\", "    zs\\u0074d",
            "log.cleaner.threads=1", "log.cleaner.threads=2",
            "no.such.key=whatever",
        ]) + "\n")
    broker.start_as_configured()
    expect_eq(broker_config(ctx, broker, "num.partitions"), ("7", "{STATIC_BROKER_CONFIG:num.partitions=7, DEFAULT_CONFIG:num.partitions=1}"), "num.partitions")
    expect_eq(broker_config(ctx, broker, "broker.rack")[0], "from a file", "broker.rack")
    expect_eq(broker_config(ctx, broker, "compression.type")[0], "zstd", "compression.type")
    expect_eq(broker_config(ctx, broker, "log.cleaner.threads")[0], "2", "the last of two lines counts")
    topic = ctx.unique("defaults")
    ctx.tool("kafka-topics", "--create", "--topic", topic, broker=broker)
    expect_in("PartitionCount: 7\t", ctx.tool("kafka-topics", "--describe", "--topic", topic, broker=broker).out)
    if not ctx.peer:
        expect_in("no.such.key", broker.log_text())


@check("serve: synonyms in their order, ms before minutes before hours", own_broker=True)
def synonyms(ctx):
    broker = ctx.new_broker({"log.retention.hours": 5, "log.retention.minutes": 10, "log.roll.hours": 2, "log.segment.bytes": 2097152})
    topic = ctx.topic(broker=broker)
    result = ctx.tool("kafka-configs", "--describe", "--all", "--entity-type", "topics", "--entity-name", topic, broker=broker)
    shown = dict(line.strip().split(" sensitive")[0].split("=", 1) for line in result.lines[1:])
    expect_eq((shown["retention.ms"], shown["segment.ms"], shown["segment.bytes"]), ("600000", "7200000", "2097152"), "retention.ms, segment.ms, segment.bytes", result)
    expect_in("segment.bytes=2097152 sensitive=false synonyms={STATIC_BROKER_CONFIG:log.segment.bytes=2097152, DEFAULT_CONFIG:log.segment.bytes=1073741824}", result.out, result)


@check("serve: nothing configured, everything works", tags={"ottla"}, own_broker=True)
def zero_config(ctx):
    """`ottla` in an empty directory, but on a free port, since another broker may hold 9092 on this machine."""
    port, controller_port = free_ports(2)
    log_path = ctx.work_dir / "ottla.log"
    started = time.monotonic()
    process = subprocess.Popen([os.environ["OTTLA_BIN"], "--override", f"listeners=PLAINTEXT://localhost:{port},CONTROLLER://localhost:{controller_port}"],
                               cwd=ctx.work_dir, stdout=open(log_path, "wb"), stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: serves(port), f"it serves; see {log_path}", timeout_s=10, interval_s=0.02)
        seconds = time.monotonic() - started
        expect(seconds < 3, f"ready only after {seconds:.2f} s")
        server = ("--bootstrap-server", f"localhost:{port}")
        ctx.tool("kafka-console-producer", *server, "--topic", "hello", input="world\n")
        result = ctx.tool("kafka-console-consumer", *server, "--topic", "hello", "--from-beginning", "--max-messages", 1, "--timeout-ms", 15000)
        expect_eq(result.lines, ["world"], "lines read", result)
        expect((ctx.work_dir / "ottla-data" / "meta.properties").exists(), "the data lies in ./ottla-data")
        for word in (f"{port}", "ottla-data"):
            expect_in(word, log_path.read_text())
        process.send_signal(signal.SIGINT)
        expect_eq(process.wait(20), 0, "exit code after Ctrl-C")
        expect((ctx.work_dir / "ottla-data" / ".kafka_cleanshutdown").exists(), "no clean-shutdown marker")
    finally:
        process.kill()
        process.wait()
    shutil.rmtree(ctx.work_dir / "ottla-data")


@check("serve: without advertised.listeners clients are told the address they came by", tags={"ottla"}, own_broker=True)
def reached_address(ctx):
    broker = ctx.new_broker(start=False)
    broker.overrides["listeners"] = f"PLAINTEXT://0.0.0.0:{broker.port},CONTROLLER://127.0.0.1:{broker.controller_port}"
    broker.start()
    for host in ("127.0.0.1", "127.0.0.2"):
        result = ctx.tool("kafka-cluster", "list-endpoints", "--bootstrap-server", f"{host}:{broker.port}")
        expect_eq([(row["HOST"], row["PORT"]) for row in table(result.out, "ID")], [(host, str(broker.port))], "endpoint", result)
        ctx.tool("kafka-console-producer", "--bootstrap-server", f"{host}:{broker.port}", "--topic", "t", input=f"{host}\n")
    expect_eq(ctx.consume("t", 2, broker=broker), ["127.0.0.1", "127.0.0.2"], "lines read")
