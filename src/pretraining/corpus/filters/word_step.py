"""What the steps have in common that count words."""

from __future__ import annotations

from pretraining.corpus.draft import Draft
from pretraining.corpus.step import Preparation, Rule, Step
from pretraining.corpus.text.languages import UNSEGMENTED
from pretraining.corpus.text.words import Words, require_jieba, unsegmented_share, word_view

UNSEGMENTED_SCRIPT = Rule("unsegmented_script", ">", None, "share", constant=UNSEGMENTED)
"""The first rule of every step that counts words: a text without spaces is refused, never counted by its spaces."""


class WordStep(Step):
    """A step whose section has ``words``, and whose first rule is ``UNSEGMENTED_SCRIPT``."""

    def prepare(self, preparation: Preparation) -> None:
        """Check that jieba is installed if Chinese is known to come.

        Raises:
            DataError: it is not.
        """
        known = [getattr(source, "language", None) for source in preparation.sources.values()]
        require_jieba(self.section.words, [*known, *(self.section.languages or [])])

    def unsegmented(self, draft: Draft) -> float:
        """The value of ``UNSEGMENTED_SCRIPT``."""
        return unsegmented_share(self.section.words, draft.language, draft.text)

    def words(self, draft: Draft) -> Words:
        """The words of the document, shared with other steps that find them in the same way."""
        return draft.view(word_view(self.section.words, draft.language, draft.text))
