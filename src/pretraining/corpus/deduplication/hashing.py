"""Hashes of texts, and texts in the form in which they are compared."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

from datatrove.utils.text import NUMBERS_PATTERN, PUNCTUATION_TRANS


def hash_pair(text: str) -> tuple[int, int]:
    """128 bits of blake2b as two numbers: two texts of 10^12 share one with odds of 10^-15."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


@lru_cache(maxsize=10_000)
def name_hash(name: str) -> int:
    """64 bits of blake2b of a source's name."""
    return hash_pair(name)[0]


class _Characters(dict[int, str]):
    """A table for ``str.translate`` that is made as characters are met."""

    def __init__(self, *, keep_punctuation: bool) -> None:
        super().__init__()
        self._keep_punctuation = keep_punctuation

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        if category == "Mn":
            to = ""
        elif self._keep_punctuation:
            to = chr(code)
        else:
            to = "" if category[0] == "P" else "0" if category == "Nd" else chr(code)
        return self.setdefault(code, to)


_WITHOUT_MARKS = _Characters(keep_punctuation=True)
_WITHOUT_MARKS_AND_PUNCTUATION = _Characters(keep_punctuation=False)
_ASCII_NUMBERS = re.compile(r"[0-9]+(?:[.,][0-9]+)?")


def simplify(text: str) -> str:
    """``datatrove.utils.text.simplify_text`` (0.10.1, its defaults): the same string in a fifth of the time or less."""
    text = text.lower()
    ascii_only = text.isascii()
    text = _ASCII_NUMBERS.sub("0", text) if ascii_only else NUMBERS_PATTERN.sub("0", text)
    text = " ".join(text.translate(PUNCTUATION_TRANS).split())
    if ascii_only or text.isascii():
        return text
    return unicodedata.normalize("NFD", text).translate(_WITHOUT_MARKS).strip()


def ccnet_form(text: str) -> str:
    """Lower case, digits as 0, no punctuation, no accents (Wenzek et al. 2020, arXiv 1911.00359, section 3.1).

    ``cc_net/text_normalizer.py`` does a little less: it keeps accents and ASCII punctuation. All of Unicode's
    punctuation goes here. A text of nothing else is left as it is, so that it equals only itself.
    """
    form = unicodedata.normalize("NFD", text.strip().lower()).translate(_WITHOUT_MARKS_AND_PUNCTUATION)
    return form if form.strip() else text
