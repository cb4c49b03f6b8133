"""SIGKILL at random instants over a whole run: does the next run end with the same bytes?

    python tests/benchmarks/kill_and_resume.py --kills 30

The tiny recipe of the end-to-end tests runs once without a stop; then, for each of ``--kills`` instants drawn evenly
over that time, a fresh run is killed there with everything that it started, and run again to its end. Corpus,
tokenizer, tokens, batch plan, final weights and evaluation must be identical to the byte.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


def load(path: Path) -> Any:
    """A test file as a module."""
    spec = importlib.util.spec_from_file_location(path.parent.name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_workplace(folder: Path, recipe: str, prose: list[str]) -> Path:
    """The recipe and its text in a new folder."""
    (folder / "texts").mkdir(parents=True)
    (folder / "tiny.yaml").write_text(recipe)
    lines = [f"{number}. {text}" for number in range(40) for text in prose]
    (folder / "texts" / "a.txt").write_text("\n".join(lines) + "\n")
    return folder


def main() -> None:
    """Print one line per kill and the count at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    helpers, prose = load(TESTS / "end_to_end" / "conftest.py"), load(TESTS / "conftest.py").PROSE
    drawn = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        reference = make_workplace(Path(name) / "reference", helpers.RECIPE, prose)
        start = time.perf_counter()
        helpers.pretrain(reference, "run", "tiny.yaml")
        whole = time.perf_counter() - start
        expected = helpers.results(reference / "runs" / "tiny")
        print(f"without a stop: {whole:.1f} s, {len(expected)} files to compare")
        same = 0
        for number in range(options.kills):
            place = make_workplace(Path(name) / str(number), helpers.RECIPE, prose)
            moment = whole * (number + drawn.random()) / options.kills
            process = helpers.start(place, "run", "tiny.yaml")
            time.sleep(moment)
            reached = (
                sorted(p.name for p in (place / "runs" / "tiny").glob("[a-z]*")) if (place / "runs").exists() else []
            )
            helpers.kill_all(process)
            helpers.pretrain(place, "run", "tiny.yaml")
            found = helpers.results(place / "runs" / "tiny")
            different = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
            same += not different
            print(f"killed after {moment:5.1f} s (had {', '.join(reached)}): {different or 'identical'}", flush=True)
            shutil.rmtree(place)
        print(f"{same} of {options.kills} identical to the run without a stop")


if __name__ == "__main__":
    main()
