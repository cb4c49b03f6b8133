"""Rooms import only from rooms that stand before them, and light modules stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pretraining

SOURCE = Path(pretraining.__file__).parent
ROOMS = ["corpus", "tokenization", "batching", "objectives", "modeling", "evaluation", "training", "publishing"]
FREE = {"section", "errors", "files", "formats", "loading", "templating"}


def imported(path: Path) -> set[tuple[str, str]]:
    """(room, module) of every ``pretraining`` import in a file, those inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            if name.startswith("pretraining."):
                room, _, rest = name.removeprefix("pretraining.").partition(".")
                found.add((room, rest))
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room: str) -> None:
    allowed = {*ROOMS[: ROOMS.index(room) + 1], *FREE}
    for path in (SOURCE / room).rglob("*.py"):
        assert {r for r, _ in imported(path)} <= allowed, path


def test_the_recipe_sees_configs_and_checks_only() -> None:
    # More are as light: corpus.sources lists files without opening them, for the estimate of the tokens,
    # three of modeling read the files of transformers and of models as text, two of batching count without numpy.
    light = {("corpus", "sources"), *(("modeling", name) for name in ("architectures", "carriers", "start"))}
    light |= {("batching", "supply"), ("batching", "timeline")}
    for path in (SOURCE / "recipe").rglob("*.py"):
        for room, module in imported(path):
            if room not in {"recipe", *FREE}:
                sections = room == "objectives" and module.startswith("sections")
                assert module in {"config", "checks"} or sections or (room, module) in light, path


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_help_and_check_load_nothing_heavy() -> None:
    heavy = {"torch", "transformers", "numpy", "datasets", "datatrove", "pyarrow", "accelerate", "matplotlib"}
    assert not heavy & loaded_by("import pretraining.cli, pretraining.recipe.loading, pretraining.recipe.explain")


@pytest.mark.parametrize(
    "statement",
    [
        "import pretraining.corpus.build, datatrove.executor",
        "import pretraining.tokenization.store, pretraining.tokenization.training, transformers, datasets",
        "import pretraining.batching.loader, pretraining.batching.plan",
    ],
)
def test_corpus_tokenization_and_batching_never_load_torch(statement: str) -> None:
    assert "torch" not in loaded_by(statement)


def test_no_file_is_too_long() -> None:
    lengths = {path: path.read_text("utf-8").count("\n") for path in SOURCE.rglob("*.py")}
    assert {path: n for path, n in lengths.items() if n > 400} == {}
    assert sorted(lengths.values())[len(lengths) // 2] <= 150
