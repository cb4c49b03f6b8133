"""The ``normalize`` step: repair encodings, compose Unicode, drop what cannot be seen, tidy white space."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ftfy import TextFixerConfig, fix_text
from ftfy.badness import is_bad

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.chinese import converter, is_chinese
from pretraining.corpus.sections.cleaning import NormalizeStep
from pretraining.corpus.step import Preparation, Step

FTFY = TextFixerConfig(
    unescape_html=False,
    remove_terminal_escapes=False,
    fix_latin_ligatures=False,
    fix_character_width=False,
    uncurl_quotes=False,
    fix_line_breaks=False,
    fix_surrogates=False,
    remove_control_chars=False,
    normalization=None,
    explain=False,
)
"""Only repairs of encodings: quotes, ligatures and widths are the author's."""

_C1 = re.compile("[\x80-\x9f]")
_TERMINAL = re.compile("\x1b\\[[0-?]*[ -/]*[@-~]")
_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "["
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # control characters (the others end lines)
    "\u00ad\u200b\u2060\ufeff"  # soft hyphen, zero-width space, word joiner, byte order mark
    "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"  # direction marks: they change the display, not the letters
    "\u2061-\u2064\u206a-\u206f\ufff9-\ufffb"  # invisible operators, deprecated format characters, annotations
    "]+"
)
"""U+200C and U+200D (the zero-width non-joiner and joiner) stay: Persian, Indic scripts and emoji spell with them."""
_BLANK_LINES = re.compile("\n{4,}")


class Normalize(Step):
    """``normalize``: never removes, but what it leaves nothing of is ``empty``."""

    edits = ("encoding_repaired", "characters_removed", "blank_lines_removed", "characters_converted")
    """Lines that ftfy repaired; characters that cannot be seen (terminal colours too); line ends of blank lines;
    characters that are written in the other Chinese script now."""

    def prepare(self, preparation: Preparation) -> None:
        """Read OpenCC's dictionaries, if they are needed.

        Raises:
            DataError: OpenCC is not installed.
        """
        if self.section.chinese is not None:
            converter(self.section.chinese)

    def run(self, draft: Draft) -> Iterator[float]:
        """Edit the text; there is nothing to measure."""
        text, edited = _normalized(draft.text, self.section, is_chinese(draft.language))
        if text != draft.text:
            draft.text = text
            self.edited = {name: count for name, count in edited.items() if count}
        yield from ()


def normalize(text: str, step: NormalizeStep) -> str:
    r"""The text after the step; ``""`` if nothing is left.

    Line ends become ``\n``, trailing white space goes, at most two blank lines stay together,
    blank lines at the two ends go. Indentation and spaces inside lines stay.
    """
    return _normalized(text, step, chinese=True)[0]


def _normalized(text: str, step: NormalizeStep, chinese: bool) -> tuple[str, dict[str, int]]:
    """The text and how often what was edited (the differences in length tell it at no cost)."""
    edited = {}
    if step.fix_encoding:
        text, edited["encoding_repaired"] = _repair_encoding(text)
    text = _LINE_ENDS.sub("\n", text)
    length = len(text)
    text = _INVISIBLE.sub("", _TERMINAL.sub("", text))
    edited["characters_removed"] = length - len(text)
    text = unicodedata.normalize(step.unicode_form, text)
    if step.chinese is not None and chinese:
        text, edited["characters_converted"] = converter(step.chinese)(text)
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    length = len(text)
    text = _BLANK_LINES.sub("\n\n\n", text).strip("\n")
    edited["blank_lines_removed"] = length - len(text)
    return text, edited


def fix_encoding(text: str) -> str:
    """``ftfy.fix_text(text, FTFY)``, the same result without asking ftfy about lines that it would not change.

    ftfy works line by line (and cuts very long ones); it leaves a line alone that is ASCII, and one that neither
    looks like mojibake nor holds a C1 control character.
    """
    return _repair_encoding(text)[0]


def _repair_encoding(text: str) -> tuple[str, int]:
    if text.isascii():
        return text, 0
    lines, repaired = [], 0
    for line in _ftfy_lines(text):
        if not line.isascii() and (_C1.search(line) or is_bad(line)):
            lines.append(fix_text(line, FTFY))
            repaired += lines[-1] != line
        else:
            lines.append(line)
    return "".join(lines), repaired


def _ftfy_lines(text: str) -> Iterator[str]:
    *lines, last = text.split("\n")
    for line in [*(line + "\n" for line in lines), last]:
        for start in range(0, len(line), FTFY.max_decode_length):
            yield line[start : start + FTFY.max_decode_length]
