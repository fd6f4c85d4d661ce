"""The frame of a bench: command line, rounds in turn, one table. What is measured stands in rows.py, how in the module of each part."""

import argparse
import importlib
import json
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from side_by_side import ROOT, TARGET, BenchBroker, Figures, build, in_turn
from jvm import ToolJvm
import plot
import report
import rows as table_rows

KINDS = ("floor", "kafka", "ottla")


@dataclass
class Sizes:
    rounds: int
    megabytes: int  # of a run
    seconds: float  # of a work with a rate, or with no end
    partitions: int
    connections: int
    cold_megabytes: int
    log_megabytes: int
    seeks: int
    rest_seconds: float  # before memory is looked at


SMOKE = Sizes(1, 100, 2, 400, 500, 100, 200, 100, 0.5)
DAILY = Sizes(3, 400, 5, 4000, 5000, 1000, 2000, 1000, 2)
FULL = Sizes(3, 1000, 10, 4000, 5000, 4000, 8000, 1000, 5)


class Bench:
    """What the parts of one run share."""

    def __init__(self, rows, sizes, figures, run_dir, is_smoke):
        self.rows = {(row.part, row.key): row for row in rows}
        self.sizes, self.figures, self.is_smoke = sizes, figures, is_smoke
        self.tools = ToolJvm(run_dir)
        self.part_dir = run_dir / "part"
        self._prepared = {}

    def run(self):
        try:
            for part in dict.fromkeys(row.part for row in self.rows.values()):
                self._run_part(part)
        finally:
            self.tools.close()

    def wanted(self, part):
        return [row for row in self.rows.values() if row.part == part]

    def wants(self, part, *keys):
        return any((part, key) in self.rows for key in keys)

    def add(self, part, key, kind, **figures):
        """A row that nobody asked for is not kept."""
        if self.wants(part, key):
            self.figures.add(self.rows[part, key].name, kind, **figures)

    @contextmanager
    def broker(self, kind, settings=None, source=None):
        """A broker, not started, on new directories, or on those of a stopped one, which stay. It is stopped at the end."""
        broker = source.hand_over(kind) if source else self.new_broker(kind, settings)
        try:
            yield broker
        finally:
            broker.stop()
            if not source:
                shutil.rmtree(broker.work_dir)

    def new_broker(self, kind, settings=None):
        """On directories that stay until the part is over."""
        return BenchBroker(kind, tempfile.mkdtemp(prefix=f"{kind}-", dir=self.part_dir), self.tools, settings)

    def prepared(self, key, prepare):
        """What all rounds of a part need, made when the first does."""
        if key not in self._prepared:
            self._prepared[key] = prepare()
        return self._prepared[key]

    def _run_part(self, name):
        part = importlib.import_module(name)
        self.part_dir.mkdir()
        try:
            kinds = part.SMOKE_KINDS if self.is_smoke else part.KINDS
            for _, kind in in_turn(self.sizes.rounds, [kind for kind in self.figures.kinds if kind in kinds]):
                part.measure(self, kind)
        finally:
            self._prepared.clear()
            shutil.rmtree(self.part_dir)


def main(prog, doc, parts=None):
    """`parts`: those of rows.py that are this command's; all without it."""
    options = parse(prog, doc)
    sizes = sizes_of(options)
    rows = [row for row in table_rows.rows(sizes) if chosen(row, parts, options)]
    if not rows:
        raise SystemExit(f"no row has {' or '.join(options.only)} in its name")
    kinds = tuple(kind for kind in KINDS if kind != "kafka" or not options.no_kafka)
    build("ottla-bench-driver", with_kafka="kafka" in kinds or any(row.clients == table_rows.PERF_TOOLS for row in rows))
    run_dir = Path(tempfile.mkdtemp(prefix="bench-", dir=TARGET))
    # Whoever is told to stop stops its brokers too, and says what it has measured by then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    figures = Figures(kinds)
    try:
        Bench(rows, sizes, figures, run_dir, options.smoke).run()
    finally:
        shutil.rmtree(run_dir, ignore_errors=True)
        bad = list(report.regressions(figures, rows)) if options.smoke else []
        write(options, Path(prog).name, figures, table_rows.rows(sizes))
    for line in bad:
        print(f"regression: {line}")
    return 1 if bad else 0


def write(options, name, figures, rows):
    """The table on the screen and as Markdown, the plot, and the figures themselves, to which a later run may add."""
    out = options.out or ROOT / "target" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    kept = out / f"{name}.json"
    if options.add and kept.exists():
        figures.add_all(json.loads(kept.read_text()))
    kept.write_text(json.dumps(figures.rows, indent=1))
    rows = [row for row in rows if row.name in figures.rows]
    text = report.markdown(figures, rows)
    for path in (out / f"{name}.md", *([Path(options.write)] if options.write else [])):
        path.write_text(text + "\n")
    (out / f"{name}.svg").write_text(plot.svg(figures, rows))
    print(text)


def parse(prog, doc):
    parser = argparse.ArgumentParser(prog=prog, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="small sizes, one round; fails on a gross regression")
    parser.add_argument("--full", action="store_true", help="sizes for a quiet machine")
    parser.add_argument("--no-kafka", action="store_true", help="the floor and Ottla alone")
    parser.add_argument("--only", action="append", metavar="TEXT", help="rows with TEXT in their name, or whose part it is; may be repeated")
    for size in fields(Sizes):
        parser.add_argument(f"--{size.name.replace('_', '-')}", type=size.type)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the table, the plot and the figures go; target/bench without it")
    parser.add_argument("--add", action="store_true", help="to the figures that are there already")
    parser.add_argument("--write", metavar="FILE", help="write the table to this Markdown file too")
    return parser.parse_args()


def sizes_of(options):
    preset = SMOKE if options.smoke else FULL if options.full else DAILY
    return Sizes(**{name: value if getattr(options, name) is None else getattr(options, name) for name, value in vars(preset).items()})


def chosen(row, parts, options):
    is_asked_for = not options.only or any(text.lower() in row.name.lower() or text == row.part for text in options.only)
    return is_asked_for and (parts is None or row.part in parts) and (row.in_smoke or not options.smoke)
