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
# What comes of the one fault of Apache Kafka that is known to the judge, see forgets_markers().
OF_FORGOTTEN_MARKERS = {"Hanging", "Lost", "Torn", "Aborted", "OffsetBack", "Copy"}
# Far below what a slow machine does in that time; without it an idle run would pass.
LEAST = {"send ok": 50, "transactional send ok": 50, "commit ok": 20, "abort ok": 2, "commit failed": 1, "poll ok": 100, "read of offsets ok": 100, "commit of offsets outside of transactions ok": 10}


@check("exactly once through kill -9 at random moments", own_broker=True, timeout_s=SECONDS + 240)
def killed_at_random(ctx):
    broker = ctx.new_broker(_history.SETTINGS)
    seed = int(os.environ.get("CHECKER_SEED", random.randrange(1 << 32)))
    run = _history.run(broker, ctx.work_dir / "run", SECONDS, seed, LIFE_S)
    print(f"     {SECONDS} s, seed {seed}: {run.kills} kills, {sum(run.counts.values())} operations", flush=True)
    if ctx.peer and not run.is_clean and OF_FORGOTTEN_MARKERS.issuperset(run.rules) and forgets_markers(broker):
        print("     Apache Kafka has left a decided transaction hanging, as it says itself: the run proves nothing", flush=True)
        return
    expect(run.is_clean, f"the clients were told what is not true: {run.text}")
    expect(run.kills >= 2, run.text)
    idle = {name: run.counts.get(name, 0) for name, least in LEAST.items() if run.counts.get(name, 0) < least}
    expect(not idle, f"hardly anything was done: {idle}\n{run.text}")


def forgets_markers(broker):
    """A fault of Apache Kafka 4.3.1: a coordinator that loads before the node knows the leaders takes the partitions of a decided
    transaction for deleted, and never tells them. Everything behind it is then out of reach of committed reads."""
    return any("Couldn't find leader endpoint for partitions" in log.read_text(errors="replace") for log in broker.work_dir.glob("broker-*.log"))
