"""The table of objectives and architectures, against the file, the rule, and the collators there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pretraining.modeling.carriers import SHOWN
from pretraining.modeling.checks import blanks_have_places, objective_fits_architecture
from pretraining.modeling.config import ModelSection
from pretraining.objectives import COLLATORS
from pretraining.objectives.config import SingleObjective
from pretraining.recipe.matrix import BEGIN, END, heads_by_objective, with_matrix

PAGE = Path(__file__).parents[2] / "recipes" / "README.md"


def cells() -> dict[str, dict[str, bool]]:
    """Whether the page says yes: by row and by architecture."""
    table = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {
        row[0].strip("`"): {name: cell == "yes" for name, cell in zip(head[1:], row[1:], strict=True)} for row in rows
    }


def test_the_page_is_what_the_code_says() -> None:
    page = PAGE.read_text("utf-8")
    assert page == with_matrix(page), "run: python -m pretraining.recipe.matrix recipes/README.md"


def test_only_the_table_is_replaced() -> None:
    page = with_matrix(f"before\n{BEGIN}old\n{END}after\n")
    assert page.startswith(f"before\n{BEGIN}\n| objective |") and page.endswith(f"\n\n{END}after\n")
    assert "old" not in page
    with pytest.raises(ValueError, match="generated: python -m pretraining"):
        with_matrix(f"{END}{BEGIN}")


def test_every_objective_has_a_row_and_every_architecture_a_column() -> None:
    assert {name.partition(",")[0] for name in heads_by_objective()} == set(COLLATORS)
    two = {name.partition(",")[0] for name in heads_by_objective() if "," in name}
    assert two == {"prefix_lm", "mixture_of_denoisers"}
    assert all(tuple(row) == SHOWN for row in cells().values())


def test_the_rules_refuse_what_the_page_does_not_have() -> None:
    for name, row in cells().items():
        kind, _, form = name.partition(", form: ")
        if kind != "multi_task":
            section = TypeAdapter(SingleObjective).validate_python({"type": kind} | ({"form": form} if form else {}))
            for architecture, said in row.items():
                model = ModelSection(architecture=architecture)
                refused = [*objective_fits_architecture(model, section), *blanks_have_places(model, section)]
                assert said == (not refused), (name, architecture)
