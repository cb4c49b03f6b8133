"""Values that follow from other values, each by a formula with a name that ``pretrain explain`` prints.

Some fill a key that the recipe leaves out (``evaluation.window``); the others are no keys, only worth knowing
(``training.steps``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pretraining.batching.config import BatchesSection
from pretraining.evaluation.config import EvaluationSection
from pretraining.modeling.architectures import config_fields, known_architectures, own_name, positions_key
from pretraining.modeling.config import ModelSection
from pretraining.section import Section
from pretraining.tokenization.config import TokenizerSection
from pretraining.training.config import TrainingSection


@dataclass
class Derived:
    """What ``derive`` found."""

    sections: dict[str, Section]
    """The sections with their derived defaults filled in."""
    formulas: dict[str, str] = field(default_factory=dict)
    """Dotted key -> the formula by which it was filled in."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Dotted key -> the dotted key under which it was written: ``model.n_embd`` for ``model.hidden_size``."""
    facts: dict[str, tuple[int, str]] = field(default_factory=dict)
    """What is no key of the recipe: dotted name -> value and formula."""


def derive(sections: Mapping[str, Section], *, ranks: int = 1, epoch_tokens: int | None = None) -> Derived:
    """Fill in the derived defaults of the sections that are there; what needs a missing one is left out.

    Args:
        ranks: processes that will train.
        epoch_tokens: tokens of one pass over the packed rows, when they are known.
    """
    derived = Derived(dict(sections))
    model, batches = sections.get("model"), sections.get("batches")
    training, evaluation = sections.get("training"), sections.get("evaluation")
    if isinstance(model, ModelSection) and model.architecture in known_architectures():
        _model(derived, model)
    if isinstance(evaluation, EvaluationSection):
        _evaluation(derived, evaluation)
    if isinstance(training, TrainingSection) and isinstance(batches, BatchesSection):
        _training(derived, training, batches, ranks, epoch_tokens)
    return derived


def _model(derived: Derived, model: ModelSection) -> None:
    """Keys under the architecture's own names; vocabulary and positions from the tokenizer and the batches."""
    architecture, given = model.architecture, model.config_keys
    keys: dict[str, object] = {}
    for key, value in given.items():
        own = own_name(architecture, key)
        own = key if own in given else own  # both names are there: the rule model_key_known speaks of it
        if own != key:
            derived.renamed[f"model.{own}"] = f"model.{key}"
        keys[own] = value
    vocabulary, positions = own_name(architecture, "vocab_size"), positions_key(architecture)
    tokenizer, batches = derived.sections.get("tokenizer"), derived.sections.get("batches")
    if isinstance(tokenizer, TokenizerSection) and vocabulary in config_fields(architecture) and vocabulary not in keys:
        keys[vocabulary] = tokenizer.vocab_size
        derived.formulas[f"model.{vocabulary}"] = "tokenizer.vocab_size"
    if isinstance(batches, BatchesSection) and positions is not None and positions not in keys:
        keys[positions] = batches.sequence_length
        derived.formulas[f"model.{positions}"] = "batches.sequence_length"
    own_keys = {name: getattr(model, name) for name in model.model_fields_set if name in ModelSection.model_fields}
    derived.sections["model"] = ModelSection.model_validate({**own_keys, **keys})


def _evaluation(derived: Derived, evaluation: EvaluationSection) -> None:
    update: dict[str, int] = {}
    batches = derived.sections.get("batches")
    if evaluation.window is None and isinstance(batches, BatchesSection):
        update["window"] = batches.sequence_length
        derived.formulas["evaluation.window"] = "batches.sequence_length"
    window = update.get("window", evaluation.window)
    if evaluation.stride is None and window is not None:
        update["stride"] = window // 2
        derived.formulas["evaluation.stride"] = "evaluation.window // 2"
    derived.sections["evaluation"] = evaluation.model_copy(update=update)


def _training(
    derived: Derived, training: TrainingSection, batches: BatchesSection, ranks: int, epoch_tokens: int | None
) -> None:
    samples = training.batch_tokens // batches.sequence_length
    derived.facts["training.samples_per_step"] = samples, "training.batch_tokens / batches.sequence_length"
    derived.facts["training.micro_batches"] = (
        samples // (training.micro_batch_size * ranks),
        f"training.samples_per_step / (training.micro_batch_size * {ranks} rank{'s' if ranks > 1 else ''})",
    )
    try:
        steps = training.duration.in_steps(step_tokens=training.batch_tokens, epoch_tokens=epoch_tokens)
    except ValueError:  # the unit needs what only the data or the model can tell
        return
    formula = "training.duration" if training.duration.unit == "steps" else "training.duration / training.batch_tokens"
    derived.facts["training.steps"] = steps, formula
