"""The rules about ``corpus.sources``."""

from __future__ import annotations

import codecs
import difflib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.reading.programming import LANGUAGES
from pretraining.corpus.reading.remote import require_protocol
from pretraining.corpus.sections.sources import CodeSource, HuggingFaceSource, PackageSource, Source
from pretraining.corpus.sources import SourceError, needs_network, source_files, source_name
from pretraining.section import Finding, Rule

COMMON = {
    "ar": "arb_Arab",
    "bn": "ben_Beng",
    "cs": "ces_Latn",
    "da": "dan_Latn",
    "de": "deu_Latn",
    "el": "ell_Grek",
    "en": "eng_Latn",
    "es": "spa_Latn",
    "fa": "fas_Arab",
    "fi": "fin_Latn",
    "fr": "fra_Latn",
    "he": "heb_Hebr",
    "hi": "hin_Deva",
    "hu": "hun_Latn",
    "id": "ind_Latn",
    "it": "ita_Latn",
    "ja": "jpn_Jpan",
    "ko": "kor_Hang",
    "nl": "nld_Latn",
    "no": "nob_Latn",
    "pl": "pol_Latn",
    "pt": "por_Latn",
    "ro": "ron_Latn",
    "ru": "rus_Cyrl",
    "sv": "swe_Latn",
    "th": "tha_Thai",
    "tr": "tur_Latn",
    "uk": "ukr_Cyrl",
    "ur": "urd_Arab",
    "vi": "vie_Latn",
    "zh": "cmn_Hani",
    "zho": "cmn_Hani",
    "chi": "cmn_Hani",
}
"""What is most likely meant by a code of two letters (ISO 639-1), or by one of three for Chinese."""
FETCH = "fetch.sh"
"""Beside a recipe: the script that gets its data."""
_CODE_SCRIPT = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}")


def _source_exists(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for i, source in enumerate(corpus.sources):
        try:
            _look(source, base)
        except SourceError as error:
            fetch = base / FETCH
            hint = f"{fetch} fetches the data of this recipe" if error.key == "path" and fetch.is_file() else error.hint
            yield Finding(f"corpus.sources[{i}].{error.key}", error.message, error.fix, hint)


def _look(source: Source, base: Path) -> None:
    """Raise SourceError for what can be known without a network."""
    if isinstance(source, HuggingFaceSource):
        if importlib.util.find_spec("datasets") is None:
            raise SourceError("package datasets is not installed", "install it: pip install datasets")
        if source.path.startswith((".", "/", "~")) and not (base / Path(source.path).expanduser()).is_dir():
            raise SourceError(f"{base / source.path} does not exist", "correct `path`")
    elif isinstance(source, PackageSource) or not needs_network(source, base):
        source_files(source, base)
    else:
        require_protocol(source.path)


def _source_names_unique(corpus: CorpusSection) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for i, source in enumerate(corpus.sources):
        name = source_name(source)
        if name in seen:
            yield Finding(
                f"corpus.sources[{i}].name",
                f"the name {name!r} is already that of corpus.sources[{seen[name]}]",
                "give each source its own `name`: ids and the ledger are by name",
            )
        seen.setdefault(name, i)


def _source_encoding_known(corpus: CorpusSection) -> Iterator[Finding]:
    for i, source in enumerate(corpus.sources):
        encoding = getattr(source, "encoding", "auto")
        if encoding == "auto":
            continue
        try:
            codecs.lookup(encoding)
            "".encode(encoding)
        except (LookupError, ValueError):
            yield Finding(
                f"corpus.sources[{i}].encoding",
                f"{encoding!r} is not a text encoding that Python knows",
                "name one: utf-8, gb18030, cp1252, shift_jis, ..., or `auto`",
            )


def _source_language_has_script(corpus: CorpusSection) -> Iterator[Finding]:
    for i, source in enumerate(corpus.sources):
        language = source.language
        if language is None or _CODE_SCRIPT.fullmatch(language):
            continue
        meant = _meant(language)
        yield Finding(
            f"corpus.sources[{i}].language",
            f"{language!r} is not a language and script, as in eng_Latn or cmn_Hani",
            "give ISO 639-3 and ISO 15924 codes, joined by _",
            f"did you mean {meant}?" if meant else "",
        )


def _meant(language: str) -> str | None:
    code, _, script = language.replace("-", "_").partition("_")
    likely = COMMON.get(code.lower())
    if likely is None:
        likely = next((known for known in COMMON.values() if known.startswith(f"{code.lower()}_")), None)
    if likely and len(script) == 4:
        return f"{likely[:3]}_{script.capitalize()}"
    return likely


def _programming_languages_known(corpus: CorpusSection) -> Iterator[Finding]:
    for i, source in enumerate(corpus.sources):
        for language in (isinstance(source, CodeSource) and source.programming_languages) or []:
            if language not in LANGUAGES:
                near = next((known for known in LANGUAGES if known.lower() == language.lower()), None)
                yield Finding(
                    f"corpus.sources[{i}].programming_languages",
                    f"no file ending of {language!r} is known",
                    f"name some of: {', '.join(LANGUAGES)}",
                    f"did you mean {near}?" if near else "",
                )


def _step_sources_known(corpus: CorpusSection) -> Iterator[Finding]:
    names = [source_name(source) for source in corpus.sources]
    for i, step in enumerate(corpus.steps):
        for j, name in enumerate(step.sources or []):
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                yield Finding(
                    f"corpus.steps[{i}].sources[{j}]",
                    f"no source is called {name!r}, so the step looks at none of its documents",
                    f"the sources are: {', '.join(names)}",
                    f"did you mean {near[0]}?" if near else "",
                )


RULES = [
    Rule(
        "step_sources_known",
        "The `sources` that a step is limited to are sources of the corpus.",
        "A misspelt name would switch the step off without a word.",
        _step_sources_known,
    ),
    Rule(
        "source_exists",
        "Every source has a file with something in it; a package is installed, in the version asked for.",
        "A source that is not there would be found out only when the build reads it. What is behind a network is not "
        "looked for, only the package that reaches it.",
        _source_exists,
    ),
    Rule(
        "source_names_unique",
        "No two sources have the same name.",
        "Document ids start with the name, and the ledger counts by it.",
        _source_names_unique,
    ),
    Rule(
        "source_encoding_known",
        "The encoding of every source is one that Python can read text with, or `auto`.",
        "With another one, no record could be read.",
        _source_encoding_known,
    ),
    Rule(
        "source_language_has_script",
        "The language of a source is a code with its script: `eng_Latn`, `cmn_Hani`.",
        "Steps choose words, stop words and thresholds by it; `zh` or `en` would fit none of them.",
        _source_language_has_script,
    ),
    Rule(
        "programming_languages_known",
        "A `code` source asks only for languages that are known by a file ending.",
        "For another name, no file would be read.",
        _programming_languages_known,
    ),
]
