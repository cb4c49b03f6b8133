"""Simplified and traditional Chinese, by the dictionaries of OpenCC."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pretraining.errors import DataError

_CONVERSIONS = {"simplified": "t2s", "traditional": "s2t"}
_CHINESE_SCRIPTS = {"Hani", "Hans", "Hant"}

_RUNS = re.compile("[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")

Converter = Callable[[str], tuple[str, int]]


def is_chinese(language: str | None) -> bool:
    """Whether a text of this language (``code_Script``) may be converted: written in Chinese characters, or unknown."""
    return language is None or language.rpartition("_")[2] in _CHINESE_SCRIPTS


@lru_cache(maxsize=2)
def converter(script: str) -> Converter:
    """A function from a text to the text in ``script`` (``simplified``, ``traditional``) and the number of changes.

    OpenCC takes the longest entry of its dictionaries of words and characters, between white space and punctuation. It
    is slow, so it is only shown runs of Chinese characters, one of which at least is changed by some entry; the result
    is the same, for no entry holds any other character.

    Raises:
        DataError: OpenCC is not installed.
    """
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise DataError(
            f"normalize: `chinese: {script}` needs OpenCC, which is not installed\n"
            "    pip install 'opencc-python-reimplemented>=0.1.7,<0.2'"
        ) from error
    opencc = OpenCC(_CONVERSIONS[script])
    changing = _changing_characters(opencc)

    def convert_run(run: re.Match[str]) -> str:
        characters = run.group()
        return opencc.convert(characters) if changing.search(characters) else characters

    def convert(text: str) -> tuple[str, int]:
        if text.isascii() or not changing.search(text):
            return text, 0
        converted = _RUNS.sub(convert_run, text)
        return converted, _difference(text, converted)

    return convert


def _difference(old: str, new: str) -> int:
    return sum(a != b for a, b in zip(old, new, strict=False)) + abs(len(old) - len(new))


def _changing_characters(opencc: Any) -> re.Pattern[str]:
    """Characters of which a text holds at least one if any entry of the dictionaries changes it."""
    changing = set()
    for _, _, dictionary in _dictionaries(opencc._dict_chain_data):
        for entry, values in dictionary.items():
            value = values.split(" ")[0]
            if len(entry) != len(value):
                changing.add(entry[0])
            changing.update(a for a, b in zip(entry, value, strict=False) if a != b)
    return re.compile("[" + "".join(map(re.escape, sorted(changing))) + "]")


def _dictionaries(chain: list[Any]) -> list[Any]:
    """The dictionaries of a conversion: groups of ``(longest, shortest, entries)``, nested."""
    return [d for part in chain for d in (_dictionaries(part) if isinstance(part, list) else [part])]
