"""The step ``toxicity``: word lists and a fastText classifier."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pretraining.corpus.assets import find_asset
from pretraining.corpus.draft import Draft
from pretraining.corpus.models.fasttext_model import FastText, load_fasttext
from pretraining.corpus.removed import id_hash
from pretraining.corpus.sections.toxicity import ToxicityStep
from pretraining.corpus.step import Preparation, Rule, Step
from pretraining.corpus.text.languages import UNSPACED_SCRIPTS, script
from pretraining.errors import DataError

_WORD = re.compile(r"\w+")


class Toxicity(Step):
    """Count listed words and ask a classifier.

    The values are the number of hits, their share of the words, and the probability of the label; NaN without a list
    for the language, or without a classifier. Fields: ``toxicity``, with ``draw`` where ``keep_probability`` is set.
    """

    section: ToxicityStep

    rules = (
        Rule("toxic_words", ">", "max_hits", "words"),
        Rule("toxic_share", ">", "max_share", "share"),
        Rule("toxic_score", ">=", "threshold", "score"),
    )

    @property
    def threshold_keys(self) -> set[str]:
        """``action`` and ``variant`` decide as well, and measure nothing."""
        return super().threshold_keys | {"action", "variant"}

    def prepare(self, preparation: Preparation) -> None:
        """Read every list, load the classifier.

        Raises:
            DataError: a file is missing, empty or no list; the model has no such label.
        """
        self._load(preparation.base)

    def open(self, preparation: Preparation) -> None:
        """The same, from the process's cache. A list takes about 1 KB of memory for each of its words."""
        self._lists, self._classifier = self._load(preparation.base)

    def _load(self, base: Path) -> tuple[dict[str, WordList], FastText | None]:
        section = self.section
        lists = {
            language: load_words(find_asset(path, base), spaced=script(language) not in UNSPACED_SCRIPTS)
            for language, path in section.lists.items()
        }
        if section.classifier is None:
            return lists, None
        path = find_asset(section.classifier, base)
        model = load_fasttext(path)
        labels = model.labels()
        if section.label not in labels:
            raise DataError(
                f"the classifier {path} has no label {section.label!r}; it has {', '.join(labels[:10])}\n"
                "    set `label` of the step `toxicity` to one of them"
            )
        return lists, model

    def threshold(self, rule: Rule, fields: dict[str, Any]) -> float | None:
        """None where documents are only flagged, or where chance lets this one stay in spite of its hits."""
        found = fields.get("toxicity")  # the source's own, where the step did not look at the document
        spared = isinstance(found, dict) and found.get("draw", 1.0) < self.section.keep_probability
        if self.section.action == "flag" or (spared and rule.key != "threshold"):
            return None
        return super().threshold(rule, fields)

    def run(self, draft: Draft) -> Iterator[float]:
        """Hits, share, score."""
        chosen = self._lists.values() if draft.language is None else filter(None, [self._lists.get(draft.language)])
        counts = [words.count(draft.text) for words in chosen]
        hits, share = sum(hits for hits, _ in counts), max((share for _, share in counts), default=math.nan)
        found: dict[str, float] = {}
        if counts:
            draft.fields["toxicity"] = found = {"hits": hits, "share": round(share, 4)}
            if self.section.keep_probability > 0:
                found["draw"] = id_hash(f"toxicity:{draft.id}") / 2**64
        yield hits if counts else math.nan
        yield share
        if self._classifier is None:
            yield math.nan
            return
        score = dict(self._classifier.predict(draft.text, -1)).get(self.section.label, 0.0)
        draft.fields["toxicity"] = {**found, "score": round(score, 4)}
        yield score


@dataclass(frozen=True)
class WordList:
    """The words of one language, as one pattern.

    Attributes:
        pattern: matches an entry, the longest at a place, in lower case.
        spaced: entries are whole words.
        firsts: the first word of each entry: without any of them in a text there is no hit, and looking for words is
            five times as fast as looking for entries. None where that cannot be said (no spaces; an entry of signs).
    """

    pattern: re.Pattern[str]
    spaced: bool
    firsts: frozenset[str] | None

    def count(self, text: str) -> tuple[int, float]:
        """(hits, share): entries found, and the share of the words that they cover; of the letters if not spaced."""
        lowered = unicodedata.normalize("NFC", text).lower()
        if self.firsts is not None and self.firsts.isdisjoint(_WORD.findall(lowered)):
            return 0, 0.0
        hits = self.pattern.findall(lowered)
        if not hits:
            return 0, 0.0
        size = _count_words if self.spaced else _count_letters
        return len(hits), min(1.0, sum(map(size, hits)) / max(1, size(lowered)))


def _count_words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))


def _count_letters(text: str) -> int:
    return sum(map(str.isalnum, text))


_LISTS: dict[tuple[str, int, int, bool], WordList] = {}


def load_words(path: Path, *, spaced: bool) -> WordList:
    """The list in a file: an entry a line, or, in a ``.json`` file, a list of strings. Read once per process.

    Raises:
        DataError: the file is not UTF-8, has no entries, or its JSON is not a list of strings.
    """
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, spaced)
    if key not in _LISTS:
        try:
            text = path.read_text("utf-8-sig")
            entries = json.loads(text) if path.suffix == ".json" else text.splitlines()
        except ValueError as error:
            raise DataError(f"the word list {path} cannot be read: {error}\n    save it as UTF-8") from error
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise DataError(f"the word list {path} is not a JSON list of strings\n    or save it with an entry a line")
        words = {unicodedata.normalize("NFC", entry.strip()).lower() for entry in entries} - {""}
        if not words:
            raise DataError(f"the word list {path} is empty\n    put an entry on each line")
        pattern = _alternatives(words)
        firsts = [_WORD.search(word) for word in words]
        _LISTS[key] = WordList(
            re.compile(rf"(?<!\w)(?:{pattern})(?!\w)" if spaced else pattern),
            spaced,
            frozenset(first.group() for first in firsts if first) if spaced and all(firsts) else None,
        )
    return _LISTS[key]


def _alternatives(words: set[str]) -> str:
    """A pattern that matches the words, the longest first, and reads each character of the text about once.

    Words with the same first character share it: ``a(?:bc|d)``. Such a tree is three times as fast as ``abc|ad``.
    """
    ends = "" in words
    heads: dict[str, set[str]] = {}
    for word in words - {""}:
        heads.setdefault(word[0], set()).add(word[1:])
    branches = [re.escape(head) + _alternatives(tails) for head, tails in sorted(heads.items())]
    if not branches:
        return ""
    body = branches[0] if len(branches) == 1 and not ends else f"(?:{'|'.join(branches)})"
    return f"{body}?" if ends else body
