from __future__ import annotations

import pytest

from pretraining.batching.config import BatchesSection
from pretraining.evaluation.checks import RULES, stride_within_window, window_within_sequence
from pretraining.evaluation.config import EvaluationSection

BATCHES = BatchesSection(sequence_length=128)


@pytest.mark.parametrize(
    ("section", "limit"),
    [(EvaluationSection(stride=129), 128), (EvaluationSection(window=64, stride=65), 64)],
)
def test_stride_beyond_the_window(section: EvaluationSection, limit: int) -> None:
    (finding,) = stride_within_window(section, BATCHES)
    assert finding.path == "evaluation.stride" and finding.fix == f"choose a stride of at most {limit}"


def test_window_beyond_the_training_rows() -> None:
    (finding,) = window_within_sequence(EvaluationSection(window=129), BATCHES)
    assert finding.path == "evaluation.window" and "129" in finding.message and "128" in finding.fix


@pytest.mark.parametrize("section", [EvaluationSection(), EvaluationSection(window=128, stride=128)])
def test_nothing_to_say(section: EvaluationSection) -> None:
    assert [finding for rule in RULES for finding in rule.check(section, BATCHES)] == []


def test_rules_are_named_once() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES) == 2
