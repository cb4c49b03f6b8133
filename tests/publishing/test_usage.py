from __future__ import annotations

import pytest
from transformers.models.auto import modeling_auto

from pretraining.modeling.build import AUTO_CLASSES
from pretraining.modeling.carriers import SHOWN, architectures_of
from pretraining.publishing.usage import usage_of

CLASSES = {
    "causal_lm": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "masked_lm": modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    "seq2seq_lm": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    "permutation_lm": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    "pair": modeling_auto.MODEL_FOR_PRETRAINING_MAPPING_NAMES,
    "encoder": modeling_auto.MODEL_MAPPING_NAMES,
}
"""Of each kind of head, the class of every architecture."""

CASES = [(head, name) for head in CLASSES for name in SHOWN if name in architectures_of(head)]
TASKS = {"causal_lm": "text-generation", "masked_lm": "fill-mask", "pair": "fill-mask", "encoder": "feature-extraction"}


@pytest.mark.parametrize(("head", "architecture"), CASES)
def test_the_class_that_loads_what_was_trained(head: str, architecture: str) -> None:
    config = {"architectures": [CLASSES[head][architecture]], "is_encoder_decoder": head == "seq2seq_lm"}
    usage = usage_of(config)
    assert usage.auto_class == AUTO_CLASSES[head]
    assert usage.writes == (head == "causal_lm")
    assert head not in TASKS or usage.pipeline_tag == TASKS[head]


@pytest.mark.parametrize(
    ("name", "auto_class"),
    [
        ("ElectraForPreTraining", "AutoModelForPreTraining"),
        ("DebertaV2ForTokenClassification", "AutoModelForTokenClassification"),
    ],
)
def test_detectors(name: str, auto_class: str) -> None:
    usage = usage_of({"architectures": [name]})
    assert (usage.auto_class, usage.pipeline_tag) == (auto_class, None) and "was replaced" in usage.purpose


def test_a_causal_model_may_be_called_conditional_generation() -> None:
    assert usage_of({"architectures": ["Gemma3ForConditionalGeneration"]}).auto_class == "AutoModelForCausalLM"
