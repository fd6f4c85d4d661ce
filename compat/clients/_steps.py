"""What the client programs print: one line per step."""

from harness import expect, expect_eq


def report(result, steps):
    """Every step must report that it passed; one that is not heard of has failed too."""
    reports = {line.split()[1] for line in result.lines if line.startswith("ok ")}
    failed = [line for line in result.lines if line.startswith("FAIL ")]
    silent = [step for step in steps if step not in reports and not any(line.startswith(f"FAIL {step} ") for line in failed)]
    expect(not failed, "\n".join(failed), result)
    expect(not silent, f"no word of the steps {silent}", result)
    expect_eq(result.rc, 0, "exit code", result)
