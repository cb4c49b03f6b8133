"""The rules about the ``objective`` section: with one objective, its schema says all."""

from __future__ import annotations

from pretraining.section import Rule

RULES: list[Rule] = []
