"""200 MB of real text through a broker, line by line: the same bytes come out, also after a clean restart and after kill -9.

kcat and the console producer each send the whole text, a fifth with each codec; another client reads it back. The kill
checks use the sender of ../clients/rust, which writes down every acknowledgement it gets.
"""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "clients"))

import corpus
import toolchains
from harness import KAFKA_HOME, PATIENT_PRODUCER, check, eventually, expect, expect_eq

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@check("realtext: the text is there", own_broker=True, timeout_s=900)
def text(ctx):
    shares = corpus.shares()
    size = sum(share["bytes"] for share in shares)
    expect(size >= 200_000_000, f"only {size} bytes of text")
    for share in shares:
        expect_eq(hashlib.sha256(share["path"].read_bytes()).hexdigest(), share["sha256"], f"sha256 of {share['path']}")


def register(number, codec):
    @check(f"realtext: 40 MB through kcat with {codec}", tags={"slow"}, timeout_s=300)
    def through_kcat(ctx):
        share, topic = corpus.shares()[number], ctx.topic("kcat-text")
        send_with_kcat(ctx.broker, topic, share, codec)
        expect_eq(read_with_go(ctx.broker, topic, share["filled_lines"]), share["filled_sha256"], "sha256 of what the Go client read")

    # The other way round in codecs, so that no share meets a codec twice.
    @check(f"realtext: 40 MB through the console producer with {codec}", tags={"slow"}, timeout_s=300)
    def through_console(ctx):
        share, topic = corpus.shares()[-1 - number], ctx.topic("console-text")
        send_with_console(ctx.broker, topic, share, codec)
        expect_eq(read_with_kcat(ctx.broker, topic, share["lines"]), share["sha256"], "sha256 of what kcat read")


for number, codec in enumerate(CODECS):
    register(number, codec)


@check("realtext: the same bytes after a clean restart, and behind what is sent after it", own_broker=True, tags={"slow"}, timeout_s=400)
def clean_restart(ctx):
    # Small segments, so that the restart finds many.
    broker = ctx.new_broker({"log.segment.bytes": 4_000_000})
    share = corpus.shares()[0]
    topic = ctx.topic("restarted-text", broker=broker)
    send_with_console(broker, topic, share, "none")
    expect_eq(broker.stop() in (0, 143), True, "clean stop")
    broker.start()
    expect_eq(read_with_kcat(broker, topic, share["lines"]), share["sha256"], "sha256 after the restart")
    send_with_kcat(broker, topic, share, "zstd")
    both = hashlib.sha256(share["path"].read_bytes())
    both.update(b"".join(line for line in open(share["path"], "rb") if line != b"\n"))
    expect_eq(read_with_go(broker, topic, share["lines"] + share["filled_lines"]), both.hexdigest(), "sha256 of both")


@check("realtext: kill -9 twice while an idempotent producer sends: every line, once, in order", own_broker=True, tags={"slow"}, timeout_s=400)
def kill_idempotent(ctx):
    share = corpus.shares()[1]
    broker, topic, acks = send_through_kills(ctx, share, idempotent=True)
    expect_eq([offset for _, offset in sorted(acks)], list(range(share["lines"])), "acknowledged offsets in the order of the lines")
    expect_eq(read_with_go(broker, topic, share["lines"]), share["sha256"], "sha256 after the kills")
    broker.restart()
    expect_eq(read_with_kcat(broker, topic, share["lines"]), share["sha256"], "sha256 after a clean restart too")


@check("realtext: kill -9 twice while a plain producer sends: nothing acknowledged is missing", own_broker=True, tags={"slow"}, timeout_s=400)
def kill_plain(ctx):
    share = corpus.shares()[2]
    broker, topic, acks = send_through_kills(ctx, share, idempotent=False)
    expect_eq(sorted(line for line, _ in acks), list(range(share["lines"])), "acknowledged lines")
    nothing_missing(broker, topic, share, acks, "the kills")
    broker.restart()
    nothing_missing(broker, topic, share, acks, "a clean restart")


def nothing_missing(broker, topic, share, acks, after):
    sent = share["path"].read_bytes().split(b"\n")
    # A retry may have stored a line twice: the end lies behind the number of lines.
    stored = subprocess.run([*toolchains.go(), broker.bootstrap, topic, "read", str(end_offset(broker, topic))], capture_output=True)
    expect_eq(stored.returncode, 0, f"reading after {after}: {stored.stderr.decode()}")
    stored = stored.stdout.split(b"\n")
    wrong = [(line, offset) for line, offset in acks if offset >= len(stored) - 1 or stored[offset] != sent[line]]
    expect(not wrong, f"{len(wrong)} acknowledged lines are not at their offsets after {after}; the first (line, offset): {wrong[:3]}")


def send_through_kills(ctx, share, idempotent):
    """Sends a share while the broker is killed at a quarter and at a half of it. Returns the broker, the topic and the acknowledged (line, offset)s."""
    broker = ctx.new_broker({"log.segment.bytes": 8_000_000})
    topic = ctx.topic("killed-text", broker=broker)
    acks_path, out_path = ctx.work_dir / "acks", ctx.work_dir / "sender.out"
    flag = "true" if idempotent else "false"
    command = [*toolchains.rust(), broker.bootstrap, topic, "send", str(share["path"]), str(acks_path), flag]
    with open(out_path, "wb") as out, open(ctx.work_dir / "sender.err", "wb") as err:
        sender = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        try:
            for part in (0.25, 0.5):
                at_least = int(share["lines"] * part)
                eventually(lambda: acked_so_far(out_path) >= at_least, f"{at_least} lines acknowledged", 60, 0.01)
                broker.kill9()
                expect(sender.poll() is None, "the sender ended before the kill: it must die in the middle")
                broker.start()
            sender.wait(180)
        finally:
            if sender.poll() is None:
                sender.kill()
                sender.wait()
    expect_eq(out_path.read_text().splitlines()[-1], f"done acked={share['lines']} failed=0", f"the sender's last word (see {ctx.work_dir}/sender.err)")
    acks = [tuple(map(int, line.split())) for line in open(acks_path)]
    return broker, topic, acks


def acked_so_far(out_path):
    numbers = [int(line.split()[1]) for line in out_path.read_text().splitlines() if line.startswith("acked ")]
    return max(numbers, default=0)


def send_with_kcat(broker, topic, share, codec):
    feed(share, [*toolchains.kcat(), "-P", "-b", broker.bootstrap, "-t", topic, "-p", "0", "-z", codec, "-X", "acks=all"])


def send_with_console(broker, topic, share, codec):
    tool = KAFKA_HOME / "bin" / "kafka-console-producer.sh"
    feed(share, [tool, "--bootstrap-server", broker.bootstrap, "--topic", topic, "--compression-codec", codec, *PATIENT_PRODUCER])


def feed(share, command):
    with open(share["path"], "rb") as text:
        done = subprocess.run([str(part) for part in command], stdin=text, capture_output=True, timeout=200)
    expect_eq((done.returncode, done.stderr.decode().strip()), (0, ""), f"exit code and stderr of {command[0]}")


def read_with_go(broker, topic, count):
    expect_eq(end_offset(broker, topic), count, "end offset")
    return sha256_of([*toolchains.go(), broker.bootstrap, topic, "read", str(count)])


def read_with_kcat(broker, topic, count):
    expect_eq(end_offset(broker, topic), count, "end offset")
    return sha256_of([*toolchains.kcat(), "-C", "-q", "-b", broker.bootstrap, "-t", topic, "-p", "0", "-o", "beginning", "-c", str(count)])


def end_offset(broker, topic):
    asked = subprocess.run([*toolchains.kcat(), "-Q", "-b", broker.bootstrap, "-t", f"{topic}:0:-1"], capture_output=True, text=True, timeout=60)
    expect_eq(asked.returncode, 0, f"asking for the end offset: {asked.stderr}")
    return int(asked.stdout.split()[-1])


def sha256_of(command, timeout_s=120):
    """The sha256 of what a command prints, without keeping it."""
    digest = hashlib.sha256()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + timeout_s
    try:
        while chunk := process.stdout.read(1 << 20):
            digest.update(chunk)
            expect(time.monotonic() < deadline, f"no end after {timeout_s} s: {command}")
        error = process.stderr.read().decode()
        expect_eq(process.wait(10), 0, f"exit code of {command[0]} ({error})")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return digest.hexdigest()
