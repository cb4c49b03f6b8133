"""The sections of the published heuristic filters: ``gopher_quality``, ``gopher_repetition``, ``c4``, ``c4_paragraph``,
``fineweb``, ``length``.

A variant is a way of counting and a set of numbers. It fills the keys that are not given, so that every number stands
in the resolved recipe; ``null`` switches a rule off. The numbers of one source are not those of another of the same
name.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from pretraining.corpus.sections.base import StepSection

WordsMode = Literal["auto", "spacy", "whitespace", "regex", "jieba", "characters"]
Share = float | None


class VariantSection(StepSection):
    """A section whose ``variant`` fills the keys that were not given."""

    VARIANTS: ClassVar[dict[str, dict[str, Any]]]
    """For every variant the keys that differ from the defaults."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, section: object) -> object:
        if not isinstance(section, dict):
            return section
        variant = section.get("variant", cls.model_fields["variant"].default)
        return {**cls.VARIANTS.get(variant, {}), **section}


class LengthStep(StepSection):
    """Remove documents that are too short or too long."""

    implementation: ClassVar[str] = "filters.length:Length"
    type: Literal["length"]
    min_characters: int | None = Field(default=1, ge=0)
    """Fewer characters: removed."""
    max_characters: int | None = Field(default=10_000_000, ge=1)
    """More characters: removed."""


class GopherQualityStep(VariantSection):
    """The quality rules of Gopher (Rae et al. 2021, arXiv 2112.11446, section A.1.1).

    - ``gopher``: as the paper says; words are what white space separates.
    - ``gopher-datatrove``: as datatrove 0.10.1 counts: words are spaCy's tokens, of which those that are only
      punctuation are left out of the number and the mean length, and not of the shares.
    - ``dolma``: as the tagger ``gopher_v1`` of Dolma's toolkit counts (median length; words with ``#`` or ``…``
      together; bullets ``*`` and ``-``; every occurrence of a stop word).
    - ``fineweb2-cmn_Hani``: ``gopher-datatrove`` with the numbers of FineWeb-2 for Chinese.
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {
        "gopher": {"words": "whitespace"},
        "gopher-datatrove": {},
        "dolma": {"words": "whitespace"},
        "fineweb2-cmn_Hani": {
            "min_mean_word_length": 1.0,
            "max_mean_word_length": 5.0,
            "min_alphabetic_words": 0.735,
            "stop_words": [*"的年在月是和日了於·為有被人中为他與後也而由"],
        },
    }

    implementation: ClassVar[str] = "filters.gopher_quality:GopherQuality"
    type: Literal["gopher_quality"]
    variant: Literal["gopher", "gopher-datatrove", "dolma", "fineweb2-cmn_Hani"] = "gopher"
    """Whose way of counting, and whose numbers."""
    words: WordsMode = "auto"
    """How words are found. ``auto``: by the document's language; spaCy's tokens as in datatrove, jieba's for Chinese,
    characters for other scripts without spaces, and a regular expression where datatrove needs a download."""
    min_words: int | None = Field(default=50, ge=0)
    """Fewer words: removed."""
    max_words: int | None = Field(default=100_000, ge=1)
    """More words: removed."""
    min_mean_word_length: float | None = Field(default=3.0, ge=0.0)
    """Shorter words on average (``dolma``: in the median): removed."""
    max_mean_word_length: float | None = Field(default=10.0, ge=0.0)
    """Longer words on average (``dolma``: in the median): removed."""
    max_symbol_to_word_ratio: float | None = Field(default=0.1, ge=0.0)
    """More ``#`` per word, or more ellipses per word: removed."""
    max_bullet_lines: Share = Field(default=0.9, ge=0.0, le=1.0)
    """Larger share of lines that start with a bullet: removed."""
    max_ellipsis_lines: Share = Field(default=0.3, ge=0.0, le=1.0)
    """Larger share of lines that end with an ellipsis: removed."""
    min_alphabetic_words: Share = Field(default=0.8, ge=0.0, le=1.0)
    """Smaller share of words with a letter: removed."""
    min_stop_words: int | None = Field(default=2, ge=0)
    """Fewer different stop words (``dolma``: fewer occurrences): removed."""
    stop_words: list[str] | None = None
    """The stop words that count. ``null``: those of the document's language in ``pretraining.corpus.text.languages``,
    for an unknown language the eight of the paper; the rule is not applied to languages that have none there."""


class GopherRepetitionStep(VariantSection):
    """The repetition rules of Gopher (arXiv 2112.11446, table A1).

    - ``gopher``: datatrove's counting on words that white space separates.
    - ``gopher-datatrove``: as datatrove 0.10.1 counts, on spaCy's tokens.
    - ``dolma``: as Dolma's ``gopher_v1`` counts: every copy of a line or n-gram counts, the first too; characters
      without white space; no rules about paragraphs; 0.30 for the characters of duplicate lines.
    - ``fineweb2-cmn_Hani``: ``gopher-datatrove`` with the numbers of FineWeb-2 for Chinese.
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {
        "gopher": {"words": "whitespace"},
        "gopher-datatrove": {},
        "dolma": {
            "words": "whitespace",
            "max_duplicate_paragraphs": None,
            "max_duplicate_paragraph_characters": None,
            "max_duplicate_line_characters": 0.3,
        },
        "fineweb2-cmn_Hani": {
            "max_duplicate_paragraphs": None,
            "max_duplicate_paragraph_characters": None,
            "max_duplicate_lines": 0.287,
            "max_duplicate_line_characters": None,
            "max_top_2_gram": 0.256,
            "max_top_3_gram": 0.201,
            "max_top_4_gram": 0.171,
            "max_duplicate_5_grams": 0.198,
            "max_duplicate_6_grams": 0.182,
            "max_duplicate_7_grams": 0.167,
            "max_duplicate_8_grams": 0.154,
            "max_duplicate_9_grams": 0.14,
            "max_duplicate_10_grams": 0.127,
        },
    }

    implementation: ClassVar[str] = "filters.gopher_repetition:GopherRepetition"
    type: Literal["gopher_repetition"]
    variant: Literal["gopher", "gopher-datatrove", "dolma", "fineweb2-cmn_Hani"] = "gopher"
    """Whose way of counting, and whose numbers."""
    words: WordsMode = "auto"
    """How words are found, as in ``gopher_quality``."""
    max_duplicate_paragraphs: Share = Field(default=0.3, ge=0.0, le=1.0)
    """Larger share of paragraphs that repeat an earlier one: removed."""
    max_duplicate_paragraph_characters: Share = Field(default=0.2, ge=0.0, le=1.0)
    """Larger share of characters in such paragraphs: removed."""
    max_duplicate_lines: Share = Field(default=0.3, ge=0.0, le=1.0)
    """Larger share of lines that repeat an earlier one: removed."""
    max_duplicate_line_characters: Share = Field(default=0.2, ge=0.0, le=1.0)
    """Larger share of characters in such lines: removed."""
    max_top_2_gram: Share = Field(default=0.2, ge=0.0)
    """Larger share of characters in the most frequent pair of words: removed."""
    max_top_3_gram: Share = Field(default=0.18, ge=0.0)
    """The same for three words."""
    max_top_4_gram: Share = Field(default=0.16, ge=0.0)
    """The same for four words."""
    max_duplicate_5_grams: Share = Field(default=0.15, ge=0.0, le=1.0)
    """Larger share of characters in sequences of five words that occurred before: removed."""
    max_duplicate_6_grams: Share = Field(default=0.14, ge=0.0, le=1.0)
    """The same for six words."""
    max_duplicate_7_grams: Share = Field(default=0.13, ge=0.0, le=1.0)
    """The same for seven words."""
    max_duplicate_8_grams: Share = Field(default=0.12, ge=0.0, le=1.0)
    """The same for eight words."""
    max_duplicate_9_grams: Share = Field(default=0.11, ge=0.0, le=1.0)
    """The same for nine words."""
    max_duplicate_10_grams: Share = Field(default=0.10, ge=0.0, le=1.0)
    """The same for ten words."""


class C4Step(VariantSection):
    """The rules of C4 (Raffel et al. 2020, JMLR 21/140): lines that are no prose go, then pages with too little left.

    - ``c4-reference``: the numbers of ``c4_utils.py`` of TensorFlow Datasets, which made C4 (lines of at least 5 words,
      pages of at least 3 sentences). Sentences are spaCy's; there they are those of NLTK's punkt, which needs a
      download.
    - ``c4-datatrove``: those of datatrove 0.10.1, which took them from the paper: 3 words and 5 sentences; ``'`` ends a
      line too; the words of a line are counted before its citations go.

    Citations like ``[12]``, ``[edit]`` and ``[citation needed]`` are cut. C4's list of bad words is another step.
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {
        "c4-reference": {"min_words_per_line": 5, "min_sentences": 3, "line_ends": [".", "?", "!", '"']},
        "c4-datatrove": {"min_words_per_line": 3, "min_sentences": 5, "line_ends": [".", "?", "!", '"', "'"]},
    }

    implementation: ClassVar[str] = "filters.c4:C4"
    type: Literal["c4"]
    variant: Literal["c4-reference", "c4-datatrove"] = "c4-reference"
    """Whose numbers."""
    words: Literal["whitespace", "characters"] = "whitespace"
    """What a word of a line is. With ``characters``, for Chinese and other scripts without spaces, sentences end at
    their punctuation; give ``line_ends`` for the language too."""
    remove_citations: bool = True
    """Cut citations."""
    max_word_length: int | None = Field(default=1000, ge=1)
    """A longer word between white space: the line goes."""
    line_ends: list[str] | None = [".", "?", "!", '"']
    """A line that ends with none of these, or with ``...``, goes. ``null``: lines may end as they like."""
    min_words_per_line: int | None = Field(default=5, ge=0)
    """Fewer words: the line goes."""
    remove_javascript_lines: bool = True
    """A line with the word JavaScript goes."""
    remove_policy_lines: bool = True
    """A line about terms of use, privacy or cookies goes."""
    max_lorem_ipsum_lines: int | None = Field(default=0, ge=0)
    """More lines with ``lorem ipsum`` (of those that stay so far): the page is removed."""
    max_curly_bracket_lines: int | None = Field(default=0, ge=0)
    """More lines with ``{`` (of those that stay so far): the page is removed."""
    min_sentences: int | None = Field(default=3, ge=0)
    """Fewer sentences in the lines that stay: the page is removed."""


class C4ParagraphStep(StepSection):
    """The rule of mC4 about pages (Xue et al. 2021, arXiv 2010.11934): three lines of at least 200 characters."""

    implementation: ClassVar[str] = "filters.c4:C4Paragraph"
    type: Literal["c4_paragraph"]
    paragraphs: int = Field(default=3, ge=1)
    """How many lines have to be long."""
    min_characters: int | None = Field(default=200, ge=0)
    """The length that they have to reach; a shorter one, or fewer lines: removed."""


class FineWebStep(VariantSection):
    """The rules that FineWeb added (Penedo et al. 2024, arXiv 2406.17557), as datatrove 0.10.1 counts.

    - ``fineweb``: the numbers of datatrove's filter.
    - ``fineweb2-cmn_Hani``: those of FineWeb-2 for Chinese; it has no rule about short lines.
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {
        "fineweb": {},
        "fineweb2-cmn_Hani": {
            "min_line_punctuation": 0.106,
            "max_short_lines": None,
            "max_duplicate_line_characters": 0.1,
            "max_newlines_per_word": 0.178,
        },
    }

    implementation: ClassVar[str] = "filters.fineweb:FineWeb"
    type: Literal["fineweb"]
    variant: Literal["fineweb", "fineweb2-cmn_Hani"] = "fineweb"
    """Whose numbers."""
    words: WordsMode = "auto"
    """How words are found, as in ``gopher_quality``."""
    min_line_punctuation: Share = Field(default=0.12, ge=0.0, le=1.0)
    """Smaller share of lines that end with punctuation: removed."""
    keep_without_punctuation: bool = False
    """Pages in which no line ends with punctuation stay."""
    line_ends: list[str] | None = None
    """The characters that end a sentence. ``null``: those of datatrove, of all scripts."""
    max_short_lines: Share = Field(default=0.67, ge=0.0, le=1.0)
    """Larger share of short lines: removed."""
    short_line: int = Field(default=30, ge=0)
    """A line of at most as many characters is short."""
    max_duplicate_line_characters: Share = Field(default=0.01, ge=0.0, le=1.0)
    """Larger share of characters in lines that repeat an earlier one: removed."""
    max_newlines_per_word: float | None = Field(default=0.3, ge=0.0)
    """More line ends per word: removed."""
