"""From the sections ``model`` and ``objective`` to the module that is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pretraining.errors import ModelError
from pretraining.modeling.build import build_model
from pretraining.modeling.carriers import HEADS, WITHOUT_LOSS_OPTIONS, fitting_form, head_for, in_words
from pretraining.modeling.config import ModelSection
from pretraining.modeling.loss import LossOptions
from pretraining.modeling.pretraining_model import PretrainingModel, fuses
from pretraining.modeling.start import NO_GENERATOR
from pretraining.objectives.sections.base import ObjectiveBase

if TYPE_CHECKING:
    from pretraining.objectives.sections.masked import MaskedLMSection, ReplacedTokenDetectionSection


def make_pretraining_model(
    section: ModelSection,
    objective: ObjectiveBase,
    tokenizer: Any,
    *,
    seed: int,
    options: LossOptions | None = None,
    base: Path = Path(),
    say: Callable[[str], None] = print,
) -> PretrainingModel:
    """A model and the losses of the objective, in float32; the same on every rank and machine.

    Args:
        seed: of the weights that are new; all are without ``model.name_or_path``.
        base: folder that a relative ``model.name_or_path`` starts from.
        say: told what was read from there.

    Raises:
        ModelError: the architecture has no head for the objective, transformers refuses the sizes, or the weights to
            start from do not fit.
        DataError: they cannot be read.
    """
    head = head_for(objective.heads(), section.architecture)
    if head is None:
        form = fitting_form(objective, section.architecture)
        raise ModelError(
            f"objective.type = {in_words(objective)} needs {' or '.join(HEADS[kind] for kind in objective.heads())}, "
            f"which {section.architecture} is not; {f'set objective.form: {form}, or ' if form else ''}choose another "
            "architecture: recipes/README.md lists what goes together"
        )
    if options is not None and not options.plain and head in WITHOUT_LOSS_OPTIONS:
        raise ModelError(
            f"training.z_loss = {options.z_loss}, training.label_smoothing = {options.label_smoothing}: neither is "
            f"defined for objective.type = {objective.type}; set both to 0"
        )
    if section.name_or_path and objective.type == "replaced_token_detection":
        raise ModelError(f"model.name_or_path = {section.name_or_path}: {NO_GENERATOR}")
    model = build_model(section, tokenizer, seed=seed, head=head, base=base, say=say)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)  # for the weights of helpers beside the model
        return _with_losses(section, objective, model, tokenizer, seed=seed, options=options)


def _with_losses(
    section: ModelSection,
    objective: ObjectiveBase,
    model: Any,
    tokenizer: Any,
    *,
    seed: int,
    options: LossOptions | None,
) -> PretrainingModel:
    if objective.type == "sentence_pair":
        from pretraining.modeling.pair_model import PairModel

        return PairModel(model, options=options)
    if objective.type == "replaced_token_detection":
        return _detection(section, objective, model, tokenizer, seed)  # type: ignore[arg-type]
    if objective.type == "contrastive":
        from pretraining.modeling.contrastive_model import ContrastiveModel

        keys = objective.model_dump(include={"temperature", "pooler", "symmetric"})
        return ContrastiveModel(model, **keys)
    if objective.type == "multi_task":
        from pretraining.modeling.multi_task_model import MultiTaskModel

        pooled = getattr(objective, "normalization", "task") == "tokens"
        return MultiTaskModel(model, tasks=objective.weights(), pooled=pooled, options=options, fused=fuses(model))
    if getattr(objective, "span_boundary", False):
        return _span_boundary(objective, model, options)  # type: ignore[arg-type]
    return PretrainingModel(model, options=options, fused=fuses(model))


def _span_boundary(objective: MaskedLMSection, model: Any, options: LossOptions | None) -> PretrainingModel:
    from pretraining.modeling.span_boundary_model import SpanBoundaryModel

    if not fuses(model):
        raise ModelError(
            f"objective.span_boundary = true: the head of {model.config.model_type} cannot be told apart from its "
            "hidden states; choose an architecture such as bert, roberta, electra or modernbert, or leave it out"
        )
    return SpanBoundaryModel(model, max_pair_targets=objective.max_pair_targets, options=options)


def _detection(
    section: ModelSection, objective: ReplacedTokenDetectionSection, model: Any, tokenizer: Any, seed: int
) -> PretrainingModel:
    from pretraining.modeling.detection_model import ReplacedTokenDetectionModel

    generator = build_model(
        generator_section(section, objective, model.config), tokenizer, seed=seed + 1, head="masked_lm"
    )
    return ReplacedTokenDetectionModel(
        model,
        generator,
        generator_weight=objective.generator_weight,
        discriminator_weight=objective.discriminator_weight,
        disentangled=objective.embedding_sharing == "gradient_disentangled",
        adversarial=objective.adversarial,
        temperature=objective.temperature,
    )


def generator_section(section: ModelSection, objective: ReplacedTokenDetectionSection, config: Any) -> ModelSection:
    """The generator's ``model`` section: the discriminator's, narrower, with embeddings of the same size.

    The number of heads shrinks with the width, to a divisor of it.
    """
    ratio = objective.generator_hidden_size_ratio
    width = max(1, round(config.hidden_size * ratio))
    heads = max(1, round(config.num_attention_heads * ratio))
    keys = {
        **section.model_dump(),
        "hidden_size": width,
        "intermediate_size": max(1, round(config.intermediate_size * ratio)),
        "num_attention_heads": math.gcd(width, heads) if width % heads else heads,
        "num_hidden_layers": max(1, round(config.num_hidden_layers * objective.generator_layers_ratio)),
        "embedding_size": getattr(config, "embedding_size", config.hidden_size),
    }
    return ModelSection.model_validate(keys)
