"""Tokens per second of every collator in one process, beside a reference in the same run.

    python tests/benchmarks/objectives.py            # all cases
    python tests/benchmarks/objectives.py span GLM   # those with one of these in their name

Batches of 64 x 512 raw tokens. The reference is transformers' collator where there is one, else a plain transcription
of the published algorithm, row by row. Ours and the reference take turns; the median of each is told.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from objectives_case import Case

ROUNDS, SECONDS = 15, 4.0


def cases() -> list[Case]:
    """Those of every ``objectives_<group>.py`` beside this file."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("objectives_*.py"))
    modules = [importlib.import_module(name) for name in names]
    return [case for module in modules for case in getattr(module, "CASES", [])]


def seconds(call: Callable[[], object]) -> float:
    """Seconds of one call, on the clock of the process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main(wanted: list[str]) -> None:
    """Print the table."""
    print("| objective | ours, M tokens/s | reference, M tokens/s | times |\n|---|--:|--:|--:|")
    for case in cases():
        if wanted and not any(part in case.name for part in wanted):
            continue
        case.ours(), case.reference()
        ours: list[float] = []
        reference: list[float] = []
        end = time.monotonic() + SECONDS
        while len(ours) < ROUNDS or (time.monotonic() < end and len(ours) < 20 * ROUNDS):
            ours.append(seconds(case.ours))
            if len(reference) < ROUNDS and time.monotonic() < end + SECONDS:
                reference.append(seconds(case.reference))
        speeds = [case.tokens / statistics.median(times) / 1e6 for times in (ours, reference)]
        print(f"| {case.name} | {speeds[0]:.1f} | {speeds[1]:.2f} | {speeds[0] / speeds[1]:.0f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="parts of the names of cases")
    main(parser.parse_args().parts)
