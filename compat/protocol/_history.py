"""Runs the clients and the judge of `tests/checker` on a broker that is killed meanwhile."""

import os
import random
import re
import subprocess
import time
from collections import namedtuple
from pathlib import Path

import build
from harness import COMPAT

# Every few seconds a new segment, and one that is cleaned: restarts find more than one segment and indexes to trust, and groups and
# transactional ids must outlive the cleaner.
SETTINGS = {"log.roll.ms": "3000", "log.cleaner.backoff.ms": "300", "log.cleaner.min.cleanable.ratio": "0.001"}
# One restart in so many is a clean stop.
CLEAN_ONE_IN = 4

Run = namedtuple("Run", "is_clean rules counts kills text")


def run(broker, directory, seconds, seed, life_s, patience_s=60):
    """`life_s` is the least and the most that a broker serves, so that something is done between two kills."""
    directory.mkdir(parents=True, exist_ok=True)
    output = directory / "findings"
    command = [checker(), "run", "--bootstrap", broker.bootstrap, "--seconds", seconds, "--patience", patience_s, "--seed", seed, "--history", directory / "history"]
    with open(output, "wb") as out:
        clients = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            kills = kill_at_random(broker, clients, random.Random(seed), seconds, life_s)
            # The last restart, and the last reads of a machine that is busy.
            code = clients.wait(2 * patience_s + 60)
        finally:
            clients.kill()
            clients.wait()
    text = output.read_text()
    counts = {name: int(count) for name, count in re.findall(r"^(.+): (\d+)$", text, re.MULTILINE)}
    by_rule = re.search(r"^\d+ findings \{(.*)\}$", text, re.MULTILINE)
    rules = re.findall(r"\w+(?=: )", by_rule[1]) if by_rule else []
    return Run(code == 0, rules, counts, kills, f"seed {seed}, {kills} kills, {directory}\n{text}")


def kill_at_random(broker, clients, chance, seconds, life_s):
    """Until the clients read the last time. A kill may come just when the broker serves again."""
    kills, until = 0, time.monotonic() + seconds
    while True:
        time.sleep(chance.uniform(*life_s))
        if time.monotonic() >= until or clients.poll() is not None:
            return kills
        if chance.randrange(CLEAN_ONE_IN) == 0:
            broker.stop()
        else:
            broker.kill9()
            kills += 1
        broker.start()


def checker():
    """Beside the broker under test, where it was built together with it."""
    beside = Path(os.environ.get("OTTLA_BIN", "")).parent / "ottla-checker"
    if "OTTLA_BIN" in os.environ and beside.exists():
        return beside
    build.need("cargo")
    build.run(["cargo", "build", "--release", "-p", "ottla-checker"], cwd=COMPAT.parent)
    return target_dir() / "release" / "ottla-checker"


def target_dir():
    return Path(os.environ.get("CARGO_TARGET_DIR", COMPAT.parent / "target")).resolve()
