"""Which scripts are written without spaces, which tokenizer of spaCy a language has, and its stop words."""

from __future__ import annotations

import re
from functools import cache

from pretraining.corpus.scripts import script_counts

UNSPACED_SCRIPTS = frozenset({"Hani", "Hans", "Hant", "Jpan", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})
"""ISO 15924 codes of scripts that put no space between words."""
HAN_SCRIPTS = frozenset({"Hani", "Hans", "Hant"})

NEEDS_MORE = ("vi", "zh", "ja", "ko", "th")
"""Codes whose blank spaCy pipeline imports another package."""

_UNSPACED_LETTER = re.compile(
    "[\u0e01-\u109f\u1780-\u17ff\u2e80-\u9fff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af]"
)
"""At least the letters of the unspaced scripts: a text without any is not looked at more closely."""


def script(language: str | None) -> str:
    """The ISO 15924 part of ``code_Script``; ``""`` where nothing is known."""
    return (language or "").partition("_")[2]


def unspaced(text: str) -> tuple[float, str]:
    """The share of letters of unspaced scripts among all letters, and the most frequent one of these scripts.

    (0.0, "") where there are none. Japanese is ``Jpan``, kana and Han together.
    """
    if text.isascii() or not _UNSPACED_LETTER.search(text):
        return 0.0, ""
    counts = script_counts(text)
    found = {script: count for script, count in counts.items() if script in UNSPACED_SCRIPTS}
    if not found:
        return 0.0, ""
    return sum(found.values()) / counts.total(), max(found, key=lambda script: (found[script], script))


UNSEGMENTED = 0.5
"""A larger share of letters of unspaced scripts: words cannot be found by spaces."""


def unspaced_language(language: str | None, text: str) -> bool:
    """Whether a document is written without spaces: by its language, or by its letters where that is unknown."""
    return script(language) in UNSPACED_SCRIPTS if language is not None else unspaced(text)[0] > UNSEGMENTED


@cache
def spacy_code(language: str | None) -> str | None:
    """The language code of the blank spaCy pipeline that datatrove 0.10.1 assigns, ``en`` where none is known.

    None where datatrove assigns a tokenizer that needs another package or a download (stanza, indic-nlp, kiwipiepy,
    pyvi, ...): what is installed must not decide how words are counted.
    """
    if language is None:
        return "en"
    from datatrove.utils.word_tokenizers import SpaCyTokenizer, WhitespaceTokenizer, load_tokenizer_assignments

    make = load_tokenizer_assignments().get(language)
    if make is None:
        return None
    try:
        tokenizer = make()
    except ImportError:
        return None
    if type(tokenizer) is WhitespaceTokenizer:
        return "xx"
    if type(tokenizer) is not SpaCyTokenizer or tokenizer.language in NEEDS_MORE:
        return None
    return str(tokenizer.language)


STOP_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "eng_Latn": "the be to of and that have with",
        "deu_Latn": "der die das und ist in den von zu mit nicht ein eine auf für sich als auch im dem",
        "fra_Latn": "le la les de des du et un une en est à dans que qui pour pas sur au il",
        "spa_Latn": "el la los las de y en que un una es por con para del se no su al lo",
        "por_Latn": "o a os as de e que em um uma do da é para com não se por no na",
        "ita_Latn": "il la di e che un una in è per non con del della si le i da al sono",
        "nld_Latn": "de het een en van in is dat op te zijn met voor niet aan er om ook als bij",
        "rus_Cyrl": "и в не на что с по это как к из у за о от для он но его был",
        "arb_Arab": "في من على إلى أن هذا هذه التي الذي عن مع كان ما لا و هو أو بين بعد قد",
        "hin_Deva": "का के की है में और से को पर यह एक नहीं कि हैं ने भी था लिए वह तो",
        "cmn_Hani": "的 是 在 了 和 有 我 不 人 他 这 這 也 就 中 为 為 与 與 而 上 一",
        "jpn_Jpan": "の に は を が で と た て し も な い れ る か ら す こ",
    }.items()
}
"""Frequent function words of the main languages. English is Gopher's list (arXiv 2112.11446, section A.1.1); the
Japanese ones are single characters, because its words are counted as characters."""
STOP_WORDS["cmn_Hans"] = STOP_WORDS["cmn_Hant"] = STOP_WORDS["cmn_Hani"]
