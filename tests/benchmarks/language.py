"""Accuracy and speed of the language identifiers on sentences of known language.

    python tests/benchmarks/language.py FOLDER [--model lid.176.ftz] [--threshold 0.65]

FOLDER holds one file per language, named by its ISO 639-1 code (``de.txt``), one sentence a line. For each identifier
whose model is here: sentences whose language is found, the share of those whose score reaches the threshold, and
documents per second on single sentences and on beginnings of 2,000 characters (sentences of a language, joined).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from pretraining.corpus.models.language import Identify, identifier
from pretraining.corpus.models.language_codes import ISO_639_3
from pretraining.corpus.sections.language import LanguageStep
from pretraining.errors import DataError


def read_sentences(folder: Path) -> dict[str, list[str]]:
    """Sentences by ISO 639-3 code."""
    return {
        ISO_639_3.get(path.stem, path.stem): [line for line in path.read_text("utf-8").splitlines() if line.strip()]
        for path in sorted(folder.glob("*.txt"))
        if len(path.stem) <= 3
    }


def docs_per_second(identify: Identify, texts: list[str], seconds: float = 1.0) -> float:
    """Texts identified in about this many seconds, per second."""
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        for text in texts:
            identify(text)
        done += len(texts)
    return done / passed


def report(name: str, identify: Identify, sentences: dict[str, list[str]], threshold: float) -> None:
    """Print a line per language, and one for all."""
    print(f"{name:<10} {'language':<9} {'found':>10} {'accuracy':>9} {'found at ' + str(threshold):>15}")
    found_in_all = confident_in_all = 0
    for language, texts in sentences.items():
        answers = [identify(text) for text in texts]
        scores = [score for code, score in answers if code.startswith(f"{language}_")]
        confident = sum(score >= threshold for score in scores)
        found_in_all, confident_in_all = found_in_all + len(scores), confident_in_all + confident
        print(
            f"{'':<10} {language:<9} {f'{len(scores)}/{len(texts)}':>10} {len(scores) / len(texts):>9.1%}"
            f" {confident / len(texts):>15.1%}   " + " ".join(sorted({c for c, _ in answers if c[:3] != language}))
        )
    count = sum(map(len, sentences.values()))
    print(
        f"{'':<10} {'all':<9} {f'{found_in_all}/{count}':>10} {found_in_all / count:>9.1%}"
        f" {confident_in_all / count:>15.1%}"
    )
    single = docs_per_second(identify, [text for texts in sentences.values() for text in texts])
    long = docs_per_second(identify, [" ".join(texts)[:2_000] for texts in sentences.values()])
    print(f"{'':<10} {single:,.0f} sentences/s, {long:,.0f} documents/s of 2,000 characters\n")


def main() -> None:
    """Measure every identifier that is here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="lid.176.ftz", help="for fastText: asset or path")
    parser.add_argument("--threshold", type=float, default=0.65)
    arguments = parser.parse_args()
    sentences = read_sentences(arguments.folder)
    for name in ("py3langid", "fasttext"):
        section = LanguageStep.model_validate(
            {"type": "language", "accept": ["eng_Latn"], "identifier": name, "model": arguments.model}
        )
        try:
            report(name, identifier(section, Path.cwd()), sentences, arguments.threshold)
        except DataError as error:
            print(f"{name}: not measured: {error}\n")


if __name__ == "__main__":
    main()
