from __future__ import annotations

import pytest

from pretraining.batching.config import BatchesSection
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.sources import TextSource
from pretraining.evaluation.checks import RULES, held_out_documents, stride_within_window, window_within_sequence
from pretraining.evaluation.config import EvaluationSection
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.objectives.sections.masked import MaskedLMSection
from pretraining.objectives.sections.prefixes import PrefixLMSection

BATCHES = BatchesSection(sequence_length=128)
CAUSAL = CausalLMSection()


@pytest.mark.parametrize(
    ("section", "limit"),
    [(EvaluationSection(stride=129), 128), (EvaluationSection(window=64, stride=65), 64)],
)
def test_stride_beyond_the_window(section: EvaluationSection, limit: int) -> None:
    (finding,) = stride_within_window(section, BATCHES, CAUSAL)
    assert finding.path == "evaluation.stride" and finding.fix == f"choose a stride of at most {limit}"


def test_window_beyond_the_training_rows() -> None:
    (finding,) = window_within_sequence(EvaluationSection(window=129), BATCHES, CAUSAL)
    assert finding.path == "evaluation.window" and "129" in finding.message and "128" in finding.fix


@pytest.mark.parametrize("section", [EvaluationSection(), EvaluationSection(window=128, stride=128)])
def test_nothing_to_say(section: EvaluationSection) -> None:
    assert [*stride_within_window(section, BATCHES, CAUSAL), *window_within_sequence(section, BATCHES, CAUSAL)] == []


def test_windows_matter_to_causal_models_alone() -> None:
    section = EvaluationSection(window=129, stride=500)
    for objective in (MaskedLMSection(), PrefixLMSection(form="encoder_decoder")):
        assert list(stride_within_window(section, BATCHES, objective)) == []
        assert list(window_within_sequence(section, BATCHES, objective)) == []
    assert len(list(window_within_sequence(section, BATCHES, PrefixLMSection(form="decoder")))) == 1


def test_nothing_held_out() -> None:
    sources = [TextSource(type="text", path="x")]
    (finding,) = held_out_documents(CorpusSection(sources=sources, held_out=0.0))
    assert finding.path == "corpus.held_out" and "could not be evaluated" in finding.message
    assert list(held_out_documents(CorpusSection(sources=sources, held_out=0.01))) == []


def test_rules_are_named_once() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES) == 3
