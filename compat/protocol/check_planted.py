"""Bugs that real brokers have had, planted one by one in a build that exists for this (`src/base/planted.rs`): the checker of
histories must find each of them, and nothing where none is planted.

$PLANTED_BUGS names the ones to look for, if not all.
"""

import os
import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import _history
import build
from harness import COMPAT, check, expect, expect_eq

SECONDS = 12
LIFE_S = (0.7, 2.5)
# Most bugs need a kill at the right moment, and some are found in the second or third run only.
RUNS_MAX = 12
PATIENCE_S = 20
# Clients and brokers mostly wait.
SIDE_BY_SIDE = 3

# Each bug, and the rules that are about it: found by others alone, it would be found by chance.
EXPECTED = {
    "ack-without-append": {"Lost", "Moved"},
    "tail-cut-at-start": {"Lost", "Moved"},
    "offsets-cut-at-start": {"OffsetBack", "Copy"},
    "retry-appended": {"Duplicate"},
    "retry-misplaced": {"Moved"},
    "watermark-forgotten": {"WatermarkBack"},
    "stable-offset-ignored": {"BeyondStable", "Unstable"},
    "stable-offset-forgotten": {"StablePastOpen", "WatermarkBack"},
    "aborted-forgotten": {"Aborted"},
    "epoch-not-bumped": {"Zombie"},
    "verification-skipped": {"Hanging", "Torn", "Lost"},
    "end-without-prepare": {"Torn", "Lost", "Aborted", "OffsetBack"},
    "marker-forgotten": {"Hanging", "Torn", "Lost"},
    "marker-repeated": {"StablePastOpen", "Unstable", "Torn", "Aborted"},
    "offsets-before-commit": {"OffsetAborted"},
    "offsets-dropped": {"OffsetBack", "Copy"},
    "offsets-not-written": {"OffsetBack", "Copy"},
    "last-record-cleaned": {"OffsetBack", "Hanging", "Copy"},
}
NOTHING = "nothing"


@check("planted bugs are found", tags=("ottla",), own_broker=True, timeout_s=1500)
def planted_bugs(ctx):
    program = planted_build()
    listed = subprocess.run([program, "serve"], env={**os.environ, "OTTLA_PLANTED": "which?"}, cwd=ctx.work_dir, capture_output=True, text=True, timeout=60)
    expect_eq(sorted(listed.stderr.split()), sorted(EXPECTED), "the bugs that can be planted")
    wanted = os.environ.get("PLANTED_BUGS", "").split() or [NOTHING, *EXPECTED]
    seeds = random.Random(int(os.environ.get("CHECKER_SEED", random.randrange(1 << 32))))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        hunts = [pool.submit(hunt, ctx, program, bug, seeds.randrange(1 << 32)) for bug in wanted]
    not_found = [bug for bug, found in zip(wanted, hunts) if not found.result()]
    expect(not not_found, f"not found: {', '.join(not_found)}; what was done is in {ctx.work_dir}")


def hunt(ctx, program, bug, seed):
    """True when the bug is found, or nothing where there is none."""
    started = time.monotonic()
    operations = 0
    for number in range(1 if bug == NOTHING else RUNS_MAX):
        broker = ctx.new_broker(_history.SETTINGS, start=False, name=f"{bug}-{number}")
        broker.program = program
        broker.env = {} if bug == NOTHING else {"OTTLA_PLANTED": bug}
        run = _history.run(broker.start(), ctx.work_dir / f"{bug}-{number}", SECONDS, seed + number, LIFE_S, PATIENCE_S)
        broker.kill9()
        operations += sum(run.counts.values())
        if bug == NOTHING:
            return row(bug, run.is_clean, started, operations, "nothing is found" if run.is_clean else run.text)
        if EXPECTED[bug] & set(run.rules):
            return row(bug, True, started, operations, f"run {number + 1}: {', '.join(run.rules)}")
    return row(bug, False, started, operations, f"the last of {RUNS_MAX} runs: {run.text}")


def row(bug, is_well, started, operations, what):
    print(f"     {'' if is_well else 'NOT FOUND '}{bug:<24} {time.monotonic() - started:6.0f} s {operations:7} operations  {what}", flush=True)
    return is_well


def planted_build():
    """A debug build of its own, which shares what it can with the others."""
    build.need("cargo")
    target = _history.target_dir()
    build.run(["cargo", "build", "--bin", "ottla", "--features", "planted", "--target-dir", target / "planted"], cwd=COMPAT.parent, env={"CARGO_BUILD_BUILD_DIR": str(target)})
    return target / "planted" / "debug" / "ottla"
