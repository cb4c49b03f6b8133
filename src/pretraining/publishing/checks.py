"""The rules about the ``publishing`` section: none, a model without a licence or a description is still a model."""

from __future__ import annotations

from pretraining.section import Rule

RULES: list[Rule] = []
