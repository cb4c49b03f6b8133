"""The rules about the ``evaluation`` section."""

from __future__ import annotations

from collections.abc import Iterator

from pretraining.batching.config import BatchesSection
from pretraining.corpus.config import CorpusSection
from pretraining.evaluation.config import EvaluationSection
from pretraining.objectives.config import ObjectiveSection
from pretraining.section import Finding, Rule


def stride_within_window(
    evaluation: EvaluationSection, batches: BatchesSection, objective: ObjectiveSection
) -> Iterator[Finding]:
    """``stride`` <= ``window``."""
    window = evaluation.window or batches.longest_sequence
    if _left_to_right(objective) and evaluation.stride is not None and evaluation.stride > window:
        yield Finding(
            path="evaluation.stride",
            message=f"{evaluation.stride} new tokens do not fit in a window of {window}: some would not be scored",
            fix=f"choose a stride of at most {window}",
        )


def window_within_sequence(
    evaluation: EvaluationSection, batches: BatchesSection, objective: ObjectiveSection
) -> Iterator[Finding]:
    """``window`` is not longer than the longest sample of any stage."""
    window = evaluation.window
    if _left_to_right(objective) and window is not None and window > batches.longest_sequence:
        yield Finding(
            path="evaluation.window",
            message=f"the model is trained on rows of {batches.longest_sequence} tokens "
            f"and has never seen the later positions of a window of {window}",
            fix=f"choose a window of at most {batches.longest_sequence}, or raise batches.sequence_length",
        )


def _left_to_right(objective: ObjectiveSection) -> bool:
    """Whether the model is a causal one, which is scored in windows."""
    return "causal_lm" in objective.heads()


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
        says="The stride of an evaluation of a causal model is at most its window.",
        why="Every held-out token is scored exactly once; a larger stride would leave tokens out.",
        check=stride_within_window,
    ),
    Rule(
        id="evaluation_window",
        says="The window of an evaluation of a causal model is at most the sequence length of the training.",
        why="At positions that it has never been trained on, a model's probabilities mean nothing.",
        check=window_within_sequence,
    ),
]
