"""Pretraining objectives: each a data collator that takes samples and gives tensors."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pretraining.objectives.config import MultiTaskSection
    from pretraining.objectives.sections.base import ObjectiveBase

COLLATORS = {
    "causal_lm": "DataCollatorForCausalLM",
    "prefix_lm": "DataCollatorForPrefixLM",
    "fill_in_the_middle": "DataCollatorForFillInTheMiddle",
    "masked_lm": "DataCollatorForMaskedLM",
    "span_corruption": "DataCollatorForSpanCorruption",
    "mixture_of_denoisers": "DataCollatorForMixtureOfDenoisers",
    "denoising": "DataCollatorForDenoising",
    "permutation_lm": "DataCollatorForPermutationLM",
    "blank_infilling": "DataCollatorForBlankInfilling",
    "replaced_token_detection": "DataCollatorForReplacedTokenDetection",
    "sentence_pair": "DataCollatorForSentencePair",
    "contrastive": "DataCollatorForContrastive",
    "multi_task": "DataCollatorForMultiTask",
}
"""``objective.type`` and its class, which stands in the module of that name."""

__all__ = ["COLLATORS", "make_collator", *COLLATORS.values()]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Collators are imported when they are asked for, so that a stage without torch stays without it."""
    for kind, collator in COLLATORS.items():
        if collator == name:
            return getattr(importlib.import_module(f"pretraining.objectives.{kind}"), name)
    raise AttributeError(name)


def make_collator(
    section: ObjectiveBase,
    tokenizer: Any,
    *,
    sequence_length: int,
    seed: int,
    pad_to_multiple_of: int | None = None,
    decoder_start_token_id: int | None = None,
) -> Any:
    """The data collator of ``objective.type``.

    Args:
        tokenizer: has what ``section.special_tokens()`` and ``section.token_roles()`` ask for.
        sequence_length: places of a row.
        pad_to_multiple_of: make rows only as wide as the longest of a batch, rounded up to this; full width when None.
        decoder_start_token_id: what the targets of an encoder-decoder begin with; the collator's own choice when None.

    Raises:
        DataError: the tokenizer lacks a token that the objective needs.
    """
    given: dict[str, Any] = {
        "sequence_length": sequence_length,
        "seed": seed,
        "pad_to_multiple_of": pad_to_multiple_of,
    }
    if section.type == "multi_task":
        return _multi_task(section, tokenizer, given, decoder_start_token_id)  # type: ignore[arg-type]
    collator = __getattr__(COLLATORS[section.type])(tokenizer, **given, **section.collator_parameters())
    if decoder_start_token_id is not None and hasattr(collator, "decoder_start_token_id"):
        collator.decoder_start_token_id = decoder_start_token_id
    return collator


def _multi_task(section: MultiTaskSection, tokenizer: Any, given: dict[str, Any], start: int | None) -> Any:
    collators = {
        task.name: make_collator(task.objective, tokenizer, **given, decoder_start_token_id=start)
        for task in section.tasks
    }
    rates = {task.name: task.rate for task in section.tasks}
    return __getattr__("DataCollatorForMultiTask")(collators, rates, seed=given["seed"])
