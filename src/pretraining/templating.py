"""Pages and cards from templates."""

from __future__ import annotations

from functools import cache
from typing import Any

from pretraining.formats import FILTERS


def render(room: str, template: str, **facts: Any) -> str:
    """Fill in ``<room>/templates/<template>``; everything in HTML is escaped, an unknown name is an error."""
    return str(_environment(room).get_template(template).render(**facts))


@cache
def _environment(room: str) -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(f"pretraining.{room}", "templates"),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(FILTERS)
    return environment
