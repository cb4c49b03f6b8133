"""Read every web archive of a folder, and compare the number of records with warcio's.

    python tests/benchmarks/web_archives.py FOLDER [--extractor resiliparse]

Exits with 1 unless every archive is read without an error and with as many records as warcio finds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator

from pretraining.corpus.draft import Draft
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.readers import Skipped, read_file
from pretraining.corpus.sections.sources import WarcSource
from pretraining.corpus.sources import source_files


def warcio_records(path: str) -> int | str:
    """How many records warcio finds, or how it fails."""
    try:
        with open(path, "rb") as stream:
            return sum(1 for _ in ArchiveIterator(stream))
    except Exception as error:
        return type(error).__name__


def main() -> int:
    """Print one line for each archive."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extractor", default="trafilatura", choices=("trafilatura", "resiliparse"))
    arguments = parser.parse_args()
    source = WarcSource(type="warc", path=str(arguments.folder), extractor=arguments.extractor)
    print(f"{'archive':34} records  warcio documents characters      s  unreadable; skipped")
    equal = True
    for file in source_files(source, arguments.folder):
        start = time.perf_counter()
        counts: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        for record in read_file(file, source, lambda read: None):
            if isinstance(record, Draft):
                counts["documents"] += 1
                counts["characters"] += len(record.text)
            elif isinstance(record, Unreadable):
                reasons[record.reason] += record.documents
            elif isinstance(record, Skipped):
                kinds[record.kind] += record.records
        seconds = time.perf_counter() - start
        records = counts["documents"] + reasons.total() + kinds.total()
        theirs = warcio_records(file.path)
        equal &= records == theirs
        found = f"{counts['documents']:9} {counts['characters']:10} {seconds:6.2f}  {dict(reasons)}; {dict(kinds)}"
        print(f"{file.relative:34} {records:7} {theirs:>7} {found}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
