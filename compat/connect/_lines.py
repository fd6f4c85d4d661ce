"""Lines that say where they come from and which they are, so that a lost, repeated, torn or misplaced one shows."""

from harness import expect, expect_eq


def line(name, n):
    return f"{name} {n:07} the quick brown fox jumps over the lazy dog"


def of_source(name, lines):
    """The numbers of this source's lines, each checked to be whole."""
    numbers = [int(text.split()[1]) for text in lines if text.startswith(f"{name} ")]
    expect_eq([text for text in lines if text.startswith(f"{name} ")], [line(name, n) for n in numbers], "lines as they were written")
    return numbers


def expect_resumed(numbers, count, stops_max, where):
    """0, 1, 2 ... count-1, set back at most so many times."""
    back = [(a, b) for a, b in zip([-1, *numbers], numbers) if b != a + 1]
    gaps = [pair for pair in back if pair[1] > pair[0]]
    expect(not gaps, f"{where} has gaps: {gaps[:5]}")
    expect_eq(sorted(set(numbers)), list(range(count)), f"all lines in {where}")
    expect(len(back) <= stops_max, f"{where} starts again {len(back)} times, {stops_max} are explained: {back[:9]}")
