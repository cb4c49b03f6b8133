"""The rules about the ``evaluation`` section."""

from __future__ import annotations

from collections.abc import Iterator

from pretraining.batching.config import BatchesSection
from pretraining.corpus.config import CorpusSection
from pretraining.evaluation.config import EvaluationSection
from pretraining.section import Finding, Rule


def stride_within_window(evaluation: EvaluationSection, batches: BatchesSection) -> Iterator[Finding]:
    """``stride`` <= ``window``."""
    window = evaluation.window or batches.sequence_length
    if evaluation.stride is not None and evaluation.stride > window:
        yield Finding(
            path="evaluation.stride",
            message=f"{evaluation.stride} new tokens do not fit in a window of {window}: some would not be scored",
            fix=f"choose a stride of at most {window}",
        )


def window_within_sequence(evaluation: EvaluationSection, batches: BatchesSection) -> Iterator[Finding]:
    """``window`` <= ``batches.sequence_length``."""
    if evaluation.window is not None and evaluation.window > batches.sequence_length:
        yield Finding(
            path="evaluation.window",
            message=f"the model is trained on rows of {batches.sequence_length} tokens "
            f"and has never seen the later positions of a window of {evaluation.window}",
            fix=f"choose a window of at most {batches.sequence_length}, or raise batches.sequence_length",
        )


def held_out_documents(corpus: CorpusSection) -> Iterator[Finding]:
    """``corpus.held_out`` > 0."""
    if corpus.held_out == 0:
        yield Finding(
            path="corpus.held_out",
            message="no document is held out, so the finished model could not be evaluated",
            fix="hold out a small share, such as 0.01",
        )


RULES = [
    Rule(
        id="evaluation_needs_held_out",
        says="Some documents are held out.",
        why="The evaluation would fail after the training, when nothing can be held out any more.",
        check=held_out_documents,
    ),
    Rule(
        id="evaluation_stride",
        says="The stride of an evaluation is at most its window.",
        why="Every held-out token is scored exactly once; a larger stride would leave tokens out.",
        check=stride_within_window,
    ),
    Rule(
        id="evaluation_window",
        says="The window of an evaluation is at most the sequence length of the training.",
        why="At positions that it has never been trained on, a model's probabilities mean nothing.",
        check=window_within_sequence,
    ),
]
