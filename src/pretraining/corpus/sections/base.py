"""What every step of the recipe can say."""

from __future__ import annotations

from typing import ClassVar

from pretraining.section import Section


class StepSection(Section):
    """A step: which documents it looks at.

    Each kind adds ``type``, a literal, and its own parameters.
    """

    implementation: ClassVar[str]
    """``module:Class`` below ``pretraining.corpus`` of the step's ``Step``; imported only when the corpus is built."""

    sources: list[str] | None = None
    """Only documents of these sources; all when left out. The others pass unchanged."""
    languages: list[str] | None = None
    """Only documents of these languages, as ``code_Script`` (``eng_Latn``, ``cmn_Hani``); all when left out."""
