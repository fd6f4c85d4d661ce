"""Producers, transactional copiers and readers on a broker that is killed at random: what they were told must be true of one log.

The clients and the judge are `tests/checker`. $CHECKER_SECONDS makes a run longer, $CHECKER_SEED repeats what was chosen in another
one. What was asked and answered stays in the check's directory when something is found: `ottla-checker judge FILE` judges it again.
"""

import os
import random

import _history
from harness import check, expect

SECONDS = int(os.environ.get("CHECKER_SECONDS", "120"))
LIFE_S = (1.0, 5.0)
# Far below what a slow machine does in that time; without it an idle run would pass.
LEAST = {"send ok": 50, "transactional send ok": 50, "commit ok": 20, "abort ok": 2, "commit failed": 1, "poll ok": 100, "read of offsets ok": 100, "commit of offsets outside of transactions ok": 10}
# What comes of markers that are never written, and of limits that begin lower after a restart.
OF_FORGOTTEN_MARKERS = {"Hanging", "Lost", "Torn", "Aborted", "OffsetBack", "Copy"}
OF_LOWER_LIMITS = {"WatermarkBack", "BeyondStable"}


@check("exactly once through kill -9 at random moments", own_broker=True, timeout_s=SECONDS + 240)
def killed_at_random(ctx):
    broker = ctx.new_broker(_history.SETTINGS)
    seed = int(os.environ.get("CHECKER_SEED", random.randrange(1 << 32)))
    run = _history.run(broker, ctx.work_dir / "run", SECONDS, seed, LIFE_S)
    print(f"     {SECONDS} s, seed {seed}: {run.kills} kills, {sum(run.counts.values())} operations", flush=True)
    known = ctx.peer and not run.is_clean and kafkas_own(set(run.rules), broker)
    if known:
        print(f"     Apache Kafka's own, and the run proves nothing: {known}", flush=True)
        return
    expect(run.is_clean, f"the clients were told what is not true: {run.text}")
    expect(run.kills >= 2, run.text)
    idle = {name: run.counts.get(name, 0) for name, least in LEAST.items() if run.counts.get(name, 0) < least}
    expect(not idle, f"hardly anything was done: {idle}\n{run.text}")


def kafkas_own(rules, broker):
    """What Apache Kafka 4.3.1 does not promise, or does wrong, and Ottla is held to; nothing if that is not all."""
    # KIP-207: a leader begins with the high watermark of its checkpoint, which is seconds old.
    if rules <= OF_LOWER_LIMITS and "WatermarkBack" in rules:
        return "the high watermark went back at a restart"
    # A coordinator that loads before the node knows the leaders takes the partitions of a decided transaction for deleted, and never
    # tells them. Everything behind it is then out of reach of committed reads.
    logs = (log.read_text(errors="replace") for log in broker.work_dir.glob("broker-*.log"))
    if rules <= OF_FORGOTTEN_MARKERS | OF_LOWER_LIMITS and any("Couldn't find leader endpoint for partitions" in log for log in logs):
        return "a decided transaction is left hanging, as the log says"
    return None
