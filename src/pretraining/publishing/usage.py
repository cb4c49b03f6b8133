"""What a published model is good for and how it is loaded, told from its ``config.json``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Usage:
    """How to speak of a model.

    Attributes:
        auto_class: the class of transformers that loads it with its head.
        pipeline_tag: the hub's name of the task; None where neither the hub nor transformers has one.
        noun: what it is called.
        purpose: what it does, and what it does not.
        writes: whether it continues text.
    """

    auto_class: str
    pipeline_tag: str | None
    noun: str
    purpose: str
    writes: bool = False


_TUNING = "It is a base model, to be fine-tuned for a task."

CAUSAL = Usage(
    "AutoModelForCausalLM",
    "text-generation",
    "language model",
    "It is a base model: it continues text, and has not been taught to follow instructions.",
    writes=True,
)
PERMUTATION = Usage(
    "AutoModelForCausalLM",
    "text-generation",
    "permutation language model",
    f"It predicts tokens of a text from any of the others. {_TUNING}",
)
ENCODER_DECODER = Usage(
    "AutoModelForSeq2SeqLM",
    None,  # text2text-generation is gone from the hub and from transformers 5
    "sequence-to-sequence model",
    f"It reads a text and writes what its objective took away from it. {_TUNING}",
)
MASKED = Usage(
    "AutoModelForMaskedLM",
    "fill-mask",
    "masked language model",
    f"It fills in masked tokens from both sides, and does not continue text. {_TUNING}",
)
PAIR = replace(
    MASKED,
    auto_class="AutoModelForPreTraining",
    purpose="It fills in masked tokens from both sides, tells how two segments of text stand to each other, and does "
    f"not continue text. {_TUNING}",
)
DETECTOR = Usage(
    "AutoModelForPreTraining",
    None,
    "text encoder",
    "It tells of every token whether it was replaced. The generator that it was trained with is not part of it. "
    f"{_TUNING}",
)
ENCODER = Usage(
    "AutoModel",
    "feature-extraction",
    "text encoder",
    "It turns a text into a vector, as below. The projection of the training is not part of it; a pooler that "
    "transformers adds has random weights.",
)

BY_CLASS = {
    "XLNetLMHeadModel": PERMUTATION,
    "ElectraForPreTraining": DETECTOR,
    "ForTokenClassification": replace(DETECTOR, auto_class="AutoModelForTokenClassification"),
    "ForPreTraining": PAIR,
    "ForMaskedLM": MASKED,
    "ForCausalLM": CAUSAL,
    "LMHeadModel": CAUSAL,
    "ForConditionalGeneration": CAUSAL,
}
"""By the end of the class's name, the first that fits."""


def usage_of(config: dict[str, Any]) -> Usage:
    """The usage of a model with this ``config.json``."""
    if config.get("is_encoder_decoder"):
        return ENCODER_DECODER
    name = str(config["architectures"][0])
    return next((usage for end, usage in BY_CLASS.items() if name.endswith(end)), ENCODER)
