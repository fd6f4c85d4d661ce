"""The table as Markdown: medians with their spread, ratios, and whether the targets are met; and what a smoke calls a regression."""

import rows

NAMES = {"kafka": "Kafka", "ottla": "Ottla", "floor": "floor"}
HEADS = ("work", "unit", "Kafka", "Ottla", "floor", "better than Kafka", "Ottla / floor", "target", "met", "also")
# How what is told at the end of a line is written.
ALSO = {"user": "user {:.2f}", "system": "system {:.2f}", "cpu_s": "{:.2f} s of CPU", "us_per_request": "{:.1f} µs of CPU a request",
        "mb_per_s": "{:,.0f} MB/s", "cold_mb_per_s": "{:,.0f} MB/s of it", "requests_per_s": "{:,.0f}/s", "p50_ms": "p50 {:.2f} ms",
        "p99_ms": "p99 {:.2f} ms", "rss_mb": "RSS {:,.0f} MB", "seconds": "{:.2f} s", "own_ms": "{:.0f} ms by its log", "left_percent": "{:.0f} % left"}


def markdown(figures, table_rows):
    lines = [line_of(HEADS), "|---" * len(HEADS) + "|"]
    for row in table_rows:
        for number, figure in enumerate(row.figures):
            lines.append(line_of(cells(figures, row, figure, number == 0)))
    return "\n".join([*lines, "", *notes(table_rows)])


def regressions(figures, table_rows):
    """Sentences: what Ottla needs several times too much of, or more of than Apache Kafka. None is acceptable on any machine."""
    for row in table_rows:
        for figure in row.figures:
            if row.name not in figures.rows:
                continue
            kafka, ottla = (figures.median(row.name, kind, figure.key) for kind in ("kafka", "ottla"))
            miss = miss_of(figures, row, figure)
            if miss is not None and miss > figure.smoke:
                yield (f"{title(row, figure)}: Ottla's {number(ottla)} {figure.unit} is {miss:.1f} times what the target allows "
                       f"({figure.target.words(figure.unit)}); a smoke accepts {figure.smoke} times")
            elif figure.smoke == rows.STEADY and kafka and ottla is not None and ottla > kafka:
                yield f"{title(row, figure)}: Apache Kafka does better with {number(kafka)} {figure.unit} than Ottla with {number(ottla)}"


def miss_of(figures, row, figure):
    medians = {kind: figures.median(row.name, kind, figure.key) for kind in NAMES}
    return figure.target.miss(medians["ottla"], medians) if figure.target else None


def advantage(figures, row, figure):
    """How many times better than Apache Kafka, round by round."""
    over, under = ("ottla", "kafka") if figure.more_is_better else ("kafka", "ottla")
    return figures.ratios(row.name, figure.key, over, under)


def cells(figures, row, figure, is_first):
    values = [spread(figures.values(row.name, kind, figure.key), number) for kind in NAMES]
    ratios = [spread(ratios, lambda ratio: f"{number(ratio)} x")
              for ratios in (advantage(figures, row, figure), figures.ratios(row.name, figure.key, "ottla", "floor"))]
    miss = miss_of(figures, row, figure)
    target = figure.target.words(figure.unit) if figure.target else "-"
    met = "-" if miss is None else "yes" if miss <= 1 else f"no, {miss:.2f} x"
    return (title(row, figure), figure.unit, *values, *ratios, target, met, also(figures, row) if is_first else "")


def title(row, figure):
    return f"{row.name}: {figure.name}" if figure.name else row.name


def spread(values, shape):
    """The median, and the least and the most when there are several."""
    if not values:
        return "-"
    ordered = sorted(values)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return shape(middle) if len(ordered) == 1 else f"{shape(middle)} ({shape(ordered[0])}..{shape(ordered[-1])})"


def number(value):
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def also(figures, row):
    told = []
    for kind, name in NAMES.items():
        values = [(key, figures.median(row.name, kind, key)) for key in row.also]
        words = [ALSO[key].format(value) for key, value in values if value is not None]
        told += [f"{name}: {', '.join(words)}"] if words else []
    return "; ".join(told)


def notes(table_rows):
    """What differs between rows, said once."""
    yield "Medians, in brackets the least and the most; ratios are those of runs beside each other."
    yield from grouped("Clients", ((row.clients, row.name) for row in table_rows), rows.DRIVER)
    yield from grouped("Guarantees", ((row.guarantees, row.name) for row in table_rows), rows.PAGE_CACHE)
    yield from grouped("The floor", ((row.floor, row.name) for row in table_rows if row.floor), None)


def grouped(what, pairs, default):
    names = {}
    for value, name in pairs:
        names.setdefault(value, []).append(name)
    others = [f"{value} ({'; '.join(of)})" for value, of in names.items() if value != default]
    if default in names:
        others.insert(0, default)
    if others:
        yield f"{what}: {'. '.join(others)}."


def line_of(texts):
    return f"| {' | '.join(texts)} |"
