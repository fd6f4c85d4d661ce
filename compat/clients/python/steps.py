"""What every client program says of its steps; ../_steps.py reads it."""

import traceback


def run(steps):
    """Takes the (name, function)s in turn and says `ok NAME` or `FAIL NAME reason` of each. Returns the exit code."""
    failed = 0
    for name, step in steps:
        try:
            step()
            print(f"ok {name}", flush=True)
        except Exception as error:  # a step that fails must not hide the ones after it
            failed = 1
            traceback.print_exc()
            print(f"FAIL {name} {type(error).__name__}: {error}", flush=True)
    return failed
