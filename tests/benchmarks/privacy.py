"""Precision and recall of the personal-data finder on labelled samples and on harmless strings; speed beside datatrove.

    python tests/benchmarks/privacy.py labelled SAMPLES.json
    python tests/benchmarks/privacy.py negatives
    python tests/benchmarks/privacy.py phones
    python tests/benchmarks/privacy.py hits FOLDER [--limit 40]
    python tests/benchmarks/privacy.py speed FILE

``labelled`` reads samples in the form of presidio-research (``[{"full_text": ..., "spans": [{"entity_type",
"entity_value", "start_position", "end_position"}]}]``). Their values are synthetic, so it also says which of them are
invalid by their own rules, and gives the recall without those. ``negatives`` runs over the strings of the test suite,
in which nothing may be found. ``phones`` writes the example numbers of ``phonenumbers`` in the usual forms, after a
word for phone and without one, and counts by region how many are found. ``hits`` counts what is found in the text
files of a folder and prints hits with what stands around them, to be judged by eye; mind that it prints personal data.
``speed`` reads a text file, or JSON lines with a string per line or a key ``text``, and alternates with datatrove's
``PIIFormatter``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import phonenumbers
from datatrove.pipeline.formatters import PIIFormatter

from pretraining.corpus.privacy.cards import iban, luhn
from pretraining.corpus.privacy.finder import find, redact
from pretraining.corpus.privacy.identity import us_ssn
from pretraining.corpus.privacy.phones import is_valid_number
from pretraining.corpus.privacy.spans import Match
from pretraining.corpus.sections.privacy import PATTERN_TYPES, REGIONS

NEGATIVES = Path(__file__).parents[1] / "corpus/privacy/negatives.txt"
SUFFIXES = {".py", ".rst", ".txt", ".md", ".gz", ".c", ".h", ".html", ".json"}


def is_valid(kind: str, value: str) -> bool:
    """Whether a labelled value passes the rules of its kind; True for kinds without rules."""
    if kind == "CREDIT_CARD":
        return luhn(value)
    if kind == "IBAN_CODE":
        return iban(value)
    if kind == "US_SSN":
        return us_ssn(value.replace("-", ""))
    if kind == "PHONE_NUMBER":
        return any(is_valid_number(value, region) for region in REGIONS)
    return True


def labelled(path: Path) -> None:
    """A table by type: labels, found, recall, hits that are no label, precision; overlap of spans counts."""
    labels, found, valid, valid_found, right, wrong = (Counter[str]() for _ in range(6))
    for sample in json.loads(path.read_text("utf-8")):
        matches = find(sample["full_text"])
        spans = [span for span in sample["spans"] if span["entity_type"] in PATTERN_TYPES]
        for span in spans:
            kind, value = span["entity_type"], span["entity_value"]
            hit = any(match.type == kind and overlaps(match, span) for match in matches)
            ok = is_valid(kind, value)
            labels[kind] += 1
            found[kind] += hit
            valid[kind] += ok
            valid_found[kind] += hit and ok
            if not ok or not hit:
                print(f"{kind} {value!r}: {'valid' if ok else 'invalid'}, {'found' if hit else 'not found'}")
        for match in matches:
            hit = any(span["entity_type"] == match.type and overlaps(match, span) for span in spans)
            (right if hit else wrong)[match.type] += 1
            if not hit:
                print(f"{match.type} found, no label: {sample['full_text'][match.start : match.end]!r}")
    print(f"\n{'type':16} labels found recall | valid found recall | hits right precision")
    for kind in PATTERN_TYPES:
        if labels[kind] or right[kind] or wrong[kind]:
            hits = right[kind] + wrong[kind]
            print(
                f"{kind:16} {labels[kind]:6} {found[kind]:5} {share(found[kind], labels[kind])} | {valid[kind]:5} "
                f"{valid_found[kind]:5} {share(valid_found[kind], valid[kind])} | {hits:4} {right[kind]:5} "
                f"{share(right[kind], hits):>9}"
            )


def overlaps(match: Match, span: dict[str, Any]) -> bool:
    """Whether they share a character."""
    return bool(match.start < span["end_position"] and span["start_position"] < match.end)


def share(part: int, whole: int) -> str:
    """``0.83``, or a dash."""
    return f"{part / whole:6.2f}" if whole else "     -"


def negatives() -> None:
    """How many of the harmless strings have a hit, here and in datatrove's formatter."""
    lines = [line for line in NEGATIVES.read_text("utf-8").splitlines() if not line.startswith("## ")]
    stock = PIIFormatter()
    flagged = [line for line in lines if find(line)]
    changed = [line for line in lines if stock.format(line) != line]
    print(f"{len(lines)} harmless strings: {len(flagged)} with a hit; datatrove's PIIFormatter changes {len(changed)}")
    print("\n".join(flagged))


def phones() -> None:
    """Recall by region and form, with ``Phone: `` before the number and in a sentence without such a word."""
    forms = {
        "E.164": phonenumbers.PhoneNumberFormat.E164,
        "international": phonenumbers.PhoneNumberFormat.INTERNATIONAL,
        "national": phonenumbers.PhoneNumberFormat.NATIONAL,
    }
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    print("region " + " ".join(f"{name + side:>20}" for name in forms for side in (", word", "")))
    for region in REGIONS:
        examples = [number for kind in kinds if (number := phonenumbers.example_number_for_type(region, kind))]
        cells = []
        for form in forms.values():
            for sentence in ("Phone: {}.", "Ask for it under {}, please."):
                texts = [sentence.format(phonenumbers.format_number(number, form)) for number in examples]
                cells.append(f"{sum(bool(find(text, ['PHONE_NUMBER'])) for text in texts)}/{len(texts)}")
        print(f"{region:6} " + " ".join(f"{cell:>20}" for cell in cells))


def hits(folder: Path, limit: int) -> None:
    """Counts by type in a folder's text files, and ``limit`` hits of each type."""
    counts, size, shown = Counter[str](), 0, Counter[str]()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in SUFFIXES):
        try:
            text = read(path)
        except (OSError, EOFError, UnicodeDecodeError):
            continue
        size += len(text.encode())
        for match in find(text):
            counts[match.type] += 1
            if shown[match.type] < limit:
                shown[match.type] += 1
                left, right = text[max(0, match.start - 40) : match.start], text[match.end : match.end + 15]
                print(
                    f"{match.type} {match.score:.2f} {path.name}: {left!r} [{text[match.start : match.end]}] {right!r}"
                )
    print(f"{size / 1e6:.1f} MB: {dict(counts)}")


def read(path: Path) -> str:
    """The text of a file, unpacked if it is gzipped."""
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")


def documents(path: Path) -> Iterator[str]:
    """The texts of a file."""
    text = read(path)
    if ".jsonl" not in path.name:
        yield text
        return
    for line in text.splitlines():
        record = json.loads(line)
        value = record if isinstance(record, str) else record.get("text") or max(map(str, record.values()), key=len)
        yield str(value)


def speed(path: Path) -> None:
    """Median MB/s of CPU time over five alternating passes."""
    texts = list(documents(path))
    size = sum(len(text.encode()) for text in texts) / 1e6
    stock = PIIFormatter()
    contenders: dict[str, Callable[[str], Any]] = {
        "redact (all nine types)": redact,
        "datatrove PIIFormatter": stock.format,
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(5):
        for name, function in contenders.items():
            start = time.process_time()
            for text in texts:
                function(text)
            seconds[name].append(time.process_time() - start)
    print(f"{len(texts)} documents, {size:.1f} MB")
    for name, times in seconds.items():
        print(f"{name:24} {size / statistics.median(times):6.1f} MB/s")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["labelled", "negatives", "phones", "hits", "speed"])
    parser.add_argument("path", type=Path, nargs="?", default=Path())
    parser.add_argument("--limit", type=int, default=40, help="hits shown of each type")
    arguments = parser.parse_args()
    if arguments.what == "labelled":
        labelled(arguments.path)
    elif arguments.what == "negatives":
        negatives()
    elif arguments.what == "phones":
        phones()
    elif arguments.what == "hits":
        hits(arguments.path, arguments.limit)
    else:
        speed(arguments.path)


if __name__ == "__main__":
    main()
