"""The rules about the ``batches`` section: the bounds in its schema say all; what depends on training stands there."""

from __future__ import annotations

from pretraining.section import Rule

RULES: list[Rule] = []
