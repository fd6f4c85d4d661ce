"""The table as a picture (SVG): how many times better than Apache Kafka each row is, and how much of its target it uses."""

import math
from html import escape

import report

ROW_PX, TOP_PX, BOTTOM_PX = 20, 56, 24
NAMES_PX, PANEL_PX, GAP_PX = 460, 340, 40
BETTER, MET, MISSED, GRID = "#2b6cb0", "#2f855a", "#c53030", "#d8dee6"


class Axis:
    """A logarithmic one, from `least` to `most`, that begins `left` px from the left."""

    def __init__(self, left, least, most):
        self.left, self.least, self.most = left, least, most

    def x(self, value):
        clamped = min(max(value, self.least), self.most)
        return self.left + PANEL_PX * math.log(clamped / self.least) / math.log(self.most / self.least)

    def marks(self):
        return [10.0 ** power for power in range(math.ceil(math.log10(self.least)), math.floor(math.log10(self.most)) + 1)]


def svg(figures, rows):
    lines = [(row, figure) for row in rows for figure in row.figures]
    bottom = TOP_PX + ROW_PX * len(lines)
    better, used = Axis(NAMES_PX, 0.1, 1000), Axis(NAMES_PX + PANEL_PX + GAP_PX, 0.01, 100)
    shapes = [*frame(better, bottom, "times better than Apache Kafka"), *frame(used, bottom, "share of what the target allows (left of 1: met)")]
    for number, (row, figure) in enumerate(lines):
        y = TOP_PX + ROW_PX * (number + 0.5)
        shapes.append(text(NAMES_PX - 8, y + 4, f"{report.title(row, figure)} [{figure.unit}]", "end"))
        shapes += [*advantage(better, y, report.advantage(figures, row, figure)), *share(used, y, report.miss_of(figures, row, figure))]
    width, height = NAMES_PX + 2 * PANEL_PX + 2 * GAP_PX, bottom + BOTTOM_PX
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *shapes, "</svg>", ""])


def frame(axis, bottom, title):
    yield text(axis.left, TOP_PX - 30, title, "start", "bold")
    for mark in axis.marks():
        yield line(axis.x(mark), TOP_PX, axis.x(mark), bottom, "black" if mark == 1 else GRID)
        yield text(axis.x(mark), TOP_PX - 8, f"{mark:g}", "middle")


def advantage(axis, y, ratios):
    """A bar to the median, a line from the least to the most."""
    if not ratios:
        return
    ordered = sorted(ratios)
    ends = sorted((axis.x(1), axis.x(ordered[len(ordered) // 2])))
    yield f'<rect x="{ends[0]:.1f}" y="{y - 5:.1f}" width="{ends[1] - ends[0]:.1f}" height="10" fill="{BETTER}" fill-opacity="0.6"/>'
    yield line(axis.x(ordered[0]), y, axis.x(ordered[-1]), y, "black")


def share(axis, y, miss):
    if miss is not None:
        yield f'<circle cx="{axis.x(miss):.1f}" cy="{y:.1f}" r="4" fill="{MET if miss <= 1 else MISSED}"/>'


def line(x1, y1, x2, y2, color):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def text(x, y, words, anchor, weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
