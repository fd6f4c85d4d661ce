"""Producers, transactional copiers and readers on a broker that is killed at random: what they were told must be true of one log.

The clients and the judge are `tests/checker`. $CHECKER_SECONDS makes a run longer. What was asked and answered stays in the check's
directory when something is found: `ottla-checker judge FILE` judges it again.
"""

import os
import random
import re
import subprocess
import time
from pathlib import Path

import build
from harness import COMPAT, check, expect

SECONDS = int(os.environ.get("CHECKER_SECONDS", "30"))
# For the last restart, the ends of open transactions and the last reads.
DRAIN_S = 120
# Of a broker that serves, so that something is done between two kills.
LIFE_S = (1.0, 5.0)
# Far below what a slow machine does in that time; without it an idle run would pass.
LEAST = {"send ok": 50, "transactional send ok": 50, "commit ok": 20, "abort ok": 2, "commit failed": 1, "poll ok": 100}


@check("exactly once through kill -9 at random moments", own_broker=True, timeout_s=SECONDS + 2 * DRAIN_S)
def killed_at_random(ctx):
    program = checker()
    broker = ctx.new_broker()
    seed = random.randrange(1 << 32)
    history, output = ctx.work_dir / "history", ctx.work_dir / "findings"
    command = [program, "run", "--bootstrap", broker.bootstrap, "--seconds", SECONDS, "--seed", seed, "--history", history]
    with open(output, "wb") as out:
        clients = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            kills = kill_at_random(broker, clients, random.Random(seed))
            code = clients.wait(DRAIN_S)
        finally:
            clients.kill()
            clients.wait()
    text = output.read_text()
    expect(code == 0, f"after {kills} kills the clients were told what is not true (exit code {code}, history in {history}):\n{text}")
    expect(kills >= 2, f"{kills} kills in {SECONDS} s")
    counts = {name: int(count) for name, count in re.findall(r"^(.+): (\d+)$", text, re.MULTILINE)}
    idle = {name: counts.get(name, 0) for name, least in LEAST.items() if counts.get(name, 0) < least}
    expect(not idle, f"hardly anything was done: {idle}\n{text}")


def kill_at_random(broker, clients, chance):
    """Until the clients read the last time. A kill may come just when the broker serves again."""
    kills, until = 0, time.monotonic() + SECONDS
    while True:
        time.sleep(chance.uniform(*LIFE_S))
        if time.monotonic() >= until or clients.poll() is not None:
            return kills
        broker.kill9()
        broker.start()
        kills += 1


def checker():
    """Beside the broker under test, where it was built together with it."""
    beside = Path(os.environ.get("OTTLA_BIN", "")).parent / "ottla-checker"
    if "OTTLA_BIN" in os.environ and beside.exists():
        return beside
    build.need("cargo")
    build.run(["cargo", "build", "--release", "-p", "ottla-checker"], cwd=COMPAT.parent)
    return Path(os.environ.get("CARGO_TARGET_DIR", COMPAT.parent / "target")).resolve() / "release" / "ottla-checker"
