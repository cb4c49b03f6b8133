"""The table of objectives and architectures in ``recipes/README.md``, generated from what ``pretrain check`` asks.

``python -m pretraining.recipe.matrix recipes/README.md`` writes it anew; a test compares the two.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from pretraining.modeling.carriers import matrix
from pretraining.objectives.config import MIXABLE, SingleObjective

BEGIN = "<!-- generated: python -m pretraining.recipe.matrix recipes/README.md -->\n"
END = "<!-- end of the generated table -->\n"


def heads_by_objective() -> dict[str, tuple[str, ...]]:
    """The kinds of models that learn each objective; one that comes in two forms is there twice."""
    found: dict[str, tuple[str, ...]] = {}
    union, _ = get_args(SingleObjective)
    for section in get_args(union):
        name, forms = section.model_fields["type"].default, section.model_fields.get("form")
        for form in get_args(forms.annotation) if forms else ():
            found[f"{name}, form: {form}"] = section(form=form).heads()
        if not forms:
            found[name] = section().heads()
    return found | {"multi_task": MIXABLE}


def with_matrix(page: str) -> str:
    """The page with the table of today between ``BEGIN`` and ``END``.

    Raises:
        ValueError: the page does not have the two marks, in this order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs these two lines, which the table stands between: {BEGIN}{END}")
    return f"{before}{BEGIN}\n{matrix(heads_by_objective())}\n{END}{after}"


if __name__ == "__main__":
    _page = Path(sys.argv[1])
    _page.write_text(with_matrix(_page.read_text("utf-8")), "utf-8")
