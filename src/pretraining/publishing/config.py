"""The ``publishing`` section: what the report and the model card say beside the measured facts."""

from __future__ import annotations

from pretraining.section import Section


class PublishingSection(Section):
    """Words of the author for the report and the model card."""

    license: str | None = None
    """Licence of the weights (an SPDX or hub identifier)."""
    description: str = ""
    """A paragraph about the model, its purpose and its limits."""
