"""Finds the check modules, runs the checks against Ottla or (--peer) Apache Kafka, several modules side by side, and prints the verdict."""

import argparse
import fnmatch
import importlib.util
import itertools
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import harness
from beside import PATIENCE
from broker import Broker
from jvm import COMPAT, TARGET, ToolJvm, ToolTimeout
from ports import take_ports
from workers import side_by_side

# Most of a check's time is waiting: for timeouts, for rebalances, for a JVM to start.
JOBS = 2
FIRST = ("clients/check_clients", "streams/check_streams", "connect/check_distributed", "connect/check_mirror", "tools/takeover", "tools/takeover_consumers", "tools/compaction")
SLOWEST = 10
PATTERNS = ["tools/*.py", "connect/check*.py", "protocol/check*.py", "clients/*/check*.py", "clients/*/*_checks.py", "clients/check*.py", "realtext/check*.py", "realtext/*_checks.py", "streams/check*.py"]


class Suite:
    """One run: the broker all checks share, the warm JVM, and the directory everything is written to."""

    def __init__(self, kind, run_dir, record):
        self.kind = kind
        self.run_dir = run_dir
        self.record = record
        self._fixtures_built = 0
        self._fixtures = {}  # key -> (what was built, or the failure; the context that it lives in)
        self.tools = ToolJvm(run_dir)
        self._shared = None
        self._deaths = 0

    def shared_broker(self):
        if self._shared is None or not self._shared.running():
            name = f"shared-{self._deaths}"
            self._deaths += 1
            self._shared = Broker(self.kind, self.run_dir / name, self.tools)
            self._shared.start()
        return self._shared

    def fixture(self, key, build):
        """Built by the first check that asks; a failed build fails every check that needs it, without being tried again."""
        if key not in self._fixtures:
            self._fixtures_built += 1
            ctx = harness.Ctx(self, f"fixture-{self._fixtures_built}-{key}")
            try:
                built = build(ctx)
            except Exception as failure:
                ctx.close()
                built = harness.CheckFailed(f"what this check looks at could not be made: {failure if isinstance(failure, AssertionError) else traceback.format_exc()}")
            self._fixtures[key] = built, ctx
        built, _ = self._fixtures[key]
        if isinstance(built, Exception):
            raise built
        return built

    def module_ends(self):
        """Fixtures that run something end with the module that asked for them; what only lies on the disk stays for all."""
        for key, (_, ctx) in list(self._fixtures.items()):
            if ctx.runs_something():
                ctx.close()
                del self._fixtures[key]

    def shared_broker_died(self):
        return self._shared is not None and self._shared.starts > 0 and not self._shared.running()

    def close(self):
        failure = None
        for _, ctx in self._fixtures.values():
            ctx.close()
        if self._shared is not None and self._shared.running():
            try:
                self._shared.stop()
            except AssertionError as error:
                failure = error
        self.tools.close()
        return failure


def main(argv):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = parse(argv)
    checks = [found for found in discover() if wanted(found, options)]
    if options.list:
        for found in checks:
            print(f"{found['module']}: {found['name']}" + (f"  [{', '.join(sorted(found['tags']))}]" if found["tags"] else ""))
        return 0
    run_dir = Path(tempfile.mkdtemp(prefix="run-", dir=TARGET))
    started = time.monotonic()

    def worker(index, modules):
        take_ports(index, options.jobs)
        suite = Suite("kafka" if options.peer else "ottla", run_dir / f"worker-{index}", options.record)
        return run_modules(suite, modules)
    modules = [list(group) for _, group in itertools.groupby(in_order(checks), key=lambda found: found["module"])]
    outcomes = {}
    for outcome in side_by_side(worker, modules, options.jobs):
        outcomes[outcome.name] = outcome
        print(outcome, flush=True)
    failed = [outcome.name for outcome in outcomes.values() if outcome.error is not None]
    # A worker that was killed has not told of all its checks.
    failed += [found["name"] for found in checks if found["name"] not in outcomes]
    print_slowest(outcomes.values())
    verdict(checks, failed, time.monotonic() - started, run_dir, options.keep)
    return 1 if failed or not checks else 0


def run_modules(suite, modules):
    """Yields the outcome of every check of these modules, and of the end."""
    try:
        for module in modules:
            for found in module:
                yield run_one(suite, found)
            suite.module_ends()
    finally:
        failure = suite.close()
    if failure is not None:
        yield Outcome(f"the shared broker's stop in {suite.run_dir.name}", 0, str(failure))


def parse(argv):
    parser = argparse.ArgumentParser(prog="compat/run", description="Drives Ottla with Apache Kafka's own tools and with the common clients.")
    parser.add_argument("--peer", action="store_true", help="drive Apache Kafka 4.3.1 instead of Ottla: judges the checks")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="only checks whose module or name contains (or globs to) PATTERN; repeatable")
    parser.add_argument("--skip", action="append", default=[], metavar="PATTERN", help="leave out checks by the same rule")
    parser.add_argument("--list", action="store_true", help="list the checks and stop")
    parser.add_argument("--keep", action="store_true", help="keep brokers' directories and logs also when all is well")
    parser.add_argument("--quick", action="store_true", help='leave out checks tagged "slow"')
    parser.add_argument("--outside", action="store_true", help='also checks tagged "outside", of programs that are in no package registry')
    parser.add_argument("--jobs", type=int, default=JOBS, metavar="N", help=f"modules that run side by side ({JOBS})")
    parser.add_argument("--record", action="store_true", help="with --peer: write the files of tools/data/ from Apache Kafka's answers")
    options = parser.parse_args(argv)
    if options.record and not options.peer:
        parser.error("--record needs --peer")
    return options


def discover():
    paths = sorted({path for pattern in PATTERNS for path in COMPAT.glob(pattern) if not path.name.startswith("_")})
    found = []
    for path in paths:
        module_name = str(path.relative_to(COMPAT).with_suffix(""))
        first = len(harness.REGISTRY)
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location("compat_" + module_name.replace("/", "_").replace("-", "_"), path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        sys.path.pop(0)
        found += [{**entry, "module": module_name} for entry in harness.REGISTRY[first:]]
    names = [entry["name"] for entry in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"two checks of one name: {sorted(twice)}")
    return found


def wanted(found, options):
    def named(pattern):
        return any(pattern in text or fnmatch.fnmatch(text, pattern) for text in (found["module"], found["name"]))
    if any(left_out and tag in found["tags"] for tag, left_out in (("slow", options.quick), ("ottla", options.peer), ("outside", not options.outside))):
        return False
    return (not options.only or any(map(named, options.only))) and not any(map(named, options.skip))


def in_order(checks):
    """First the modules that take longest, so that none of them is left alone at the end."""
    return sorted(checks, key=lambda found: FIRST.index(found["module"]) if found["module"] in FIRST else len(FIRST))


@dataclass
class Outcome:
    """What became of one check. `error` is None when it passed."""

    name: str
    seconds: float
    error: str | None

    def __str__(self):
        line = f"{'ok  ' if self.error is None else 'FAIL'} {self.name} ({self.seconds:.1f} s)"
        return line if self.error is None else line + "\n     " + self.error.rstrip().replace("\n", "\n     ")


def run_one(suite, found):
    ctx = harness.Ctx(suite, found["name"])
    started = time.monotonic()
    error = None
    timeout_s = PATIENCE * found["timeout_s"]
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(ToolTimeout(f"the check did not end within {timeout_s} s")))
    signal.alarm(timeout_s)
    try:
        if not found["own_broker"]:
            suite.shared_broker()
        found["run"](ctx)
    except AssertionError as failure:
        place = next((frame for frame in reversed(traceback.extract_tb(failure.__traceback__)) if "/lib/" not in frame.filename), None)
        error = f"{f'{Path(place.filename).name}:{place.lineno}: ' if place else ''}{failure}"
    except Exception:  # a check that breaks must not end the run
        error = traceback.format_exc()
    finally:
        signal.alarm(0)
        ctx.close()
    if error is None and suite.shared_broker_died():
        error = f"the shared broker died; see {suite._shared.log_path}"
    return Outcome(found["name"], time.monotonic() - started, error)


def print_slowest(outcomes):
    """Where the time of a long run goes."""
    if len(outcomes) > 2 * SLOWEST:
        print("\nslowest:")
        for outcome in sorted(outcomes, key=lambda outcome: -outcome.seconds)[:SLOWEST]:
            print(f"  {outcome.seconds:5.1f} s  {outcome.name}")


def verdict(checks, failed, seconds, run_dir, keep):
    if failed:
        print("\nfailed:\n" + "\n".join(f"  {name}" for name in failed))
    if failed or keep:
        print(f"directories and logs: {run_dir.relative_to(COMPAT.parent)}")
    else:
        shutil.rmtree(run_dir, ignore_errors=True)
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{seconds:.0f} s, {cpu.ru_utime + cpu.ru_stime:.0f} s of CPU")
    print(f"{len(checks) - len([n for n in failed if any(c['name'] == n for c in checks)])} passed, {len(failed)} failed", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
