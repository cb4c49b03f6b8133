"""The templates of this room."""

from __future__ import annotations

from typing import Any

from pretraining.publishing.formats import FILTERS


def render(template: str, **facts: Any) -> str:
    """Fill in ``templates/<template>``; everything in HTML is escaped, an unknown name is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pretraining.publishing", "templates"),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(FILTERS)
    return environment.get_template(template).render(**facts)
