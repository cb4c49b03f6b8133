"""Values that follow from other values, each by a formula with a name that ``pretrain explain`` prints.

Some fill a key that the recipe leaves out (``evaluation.window``); the others are no keys, only worth knowing
(``training.steps``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pretraining.batching.config import BatchesSection
from pretraining.batching.supply import Supply, demands, mixture_notes, mixtures, shares
from pretraining.batching.timeline import Timeline, make_timeline
from pretraining.errors import UserError
from pretraining.evaluation.config import EvaluationSection
from pretraining.modeling.architectures import config_fields, own_name, positions_key
from pretraining.modeling.carriers import (
    COUNTS_FROM_PADDING,
    EAGER_ONLY,
    PADDING_POSITIONS,
    isolates,
    known_architectures,
)
from pretraining.modeling.config import ModelSection
from pretraining.modeling.start import inherited
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
    facts: dict[str, tuple[float, str]] = field(default_factory=dict)
    """What is no key of the recipe: dotted name -> value and formula."""
    timeline: Timeline | None = None
    """The steps of the run, where the recipe and what is counted tell them."""
    notes: list[str] = field(default_factory=list)
    """What is right and worth being said: weights that are normalised, sources that are left out."""


def derive(
    sections: Mapping[str, Section], *, base: Path = Path(), ranks: int = 1, supply: Supply | None = None
) -> Derived:
    """Fill in the derived defaults of the sections that are there; what needs a missing one is left out.

    Args:
        base: folder that relative paths start from.
        ranks: processes that will train.
        supply: what there is to train on, when something is known.
    """
    derived = Derived(dict(sections))
    model, batches = sections.get("model"), sections.get("batches")
    training, evaluation = sections.get("training"), sections.get("evaluation")
    if isinstance(model, ModelSection) and isinstance(batches, BatchesSection):
        batches = _packing(derived, model, batches)
    if isinstance(model, ModelSection) and model.architecture in known_architectures():
        _model(derived, model, base)
    if isinstance(evaluation, EvaluationSection):
        _evaluation(derived, evaluation)
    if isinstance(training, TrainingSection) and isinstance(batches, BatchesSection):
        _training(derived, training, batches, ranks, supply)
    if isinstance(batches, BatchesSection):
        _mixture(derived, batches, supply or Supply({}, False, None))
        derived.notes += mixture_notes(batches)
    return derived


def _packing(derived: Derived, model: ModelSection, batches: BatchesSection) -> BatchesSection:
    """One document a row where documents could not be kept apart, unless the recipe names a packing."""
    if "packing" in batches.model_fields_set or isolates(model.architecture):
        return batches
    derived.formulas["batches.packing"] = f"{model.architecture} cannot keep packed documents apart"
    derived.sections["batches"] = unpacked = batches.model_copy(update={"packing": "none"})
    return unpacked


def _model(derived: Derived, model: ModelSection, base: Path) -> None:
    """Keys under the architecture's own names; vocabulary and positions from the tokenizer and the batches.

    With weights to start from, what is left out is theirs; in a local folder it can be read.
    """
    architecture, given = model.architecture, model.config_keys
    keys: dict[str, object] = {}
    for key, value in given.items():
        own = own_name(architecture, key)
        own = key if own in given else own  # both names are there: the rule model_key_known speaks of it
        if own != key:
            derived.renamed[f"model.{own}"] = f"model.{key}"
        keys[own] = value
    for key, value in inherited(model, base).items():
        keys[key] = value
        derived.formulas[f"model.{key}"] = "config.json of model.name_or_path"
    vocabulary, positions = own_name(architecture, "vocab_size"), positions_key(architecture)
    tokenizer, batches = derived.sections.get("tokenizer"), derived.sections.get("batches")
    if isinstance(tokenizer, TokenizerSection) and vocabulary in config_fields(architecture) and vocabulary not in keys:
        _vocabulary(derived, keys, vocabulary, tokenizer)
    new = model.name_or_path is None
    if isinstance(batches, BatchesSection) and new and positions is not None and positions not in keys:
        more = PADDING_POSITIONS if architecture in COUNTS_FROM_PADDING else 0
        keys[positions] = batches.longest_sequence + more
        counted = f" + {more} (positions are counted from after the padding token)" if more else ""
        derived.formulas[f"model.{positions}"] = _longest(batches) + counted
    own_keys = {name: getattr(model, name) for name in model.model_fields_set if name in ModelSection.model_fields}
    if architecture in EAGER_ONLY and "attn_implementation" not in own_keys:
        own_keys["attn_implementation"] = "eager"
        derived.formulas["model.attn_implementation"] = f"the only one that transformers has for {architecture}"
    derived.sections["model"] = ModelSection.model_validate({**own_keys, **keys})


def _vocabulary(derived: Derived, keys: dict[str, object], key: str, tokenizer: TokenizerSection) -> None:
    """As many embeddings as the tokenizer is asked to have tokens; how many a pretrained one has, only it tells."""
    if tokenizer.target_size is not None:
        rounded = tokenizer.target_size != tokenizer.vocab_size
        keys[key] = tokenizer.target_size
        formula = "tokenizer.vocab_size" + (", up to a multiple of tokenizer.pad_to_multiple_of" if rounded else "")
        derived.formulas[f"model.{key}"] = formula


def _longest(batches: BatchesSection) -> str:
    """The key that ``BatchesSection.longest_sequence`` comes from."""
    lengths = [stage.sequence_length for stage in batches.stages]
    given = batches.longest_sequence in lengths
    return (
        f"batches.stages[{lengths.index(batches.longest_sequence)}].sequence_length"
        if given
        else "batches.sequence_length"
    )


def _evaluation(derived: Derived, evaluation: EvaluationSection) -> None:
    update: dict[str, int] = {}
    batches = derived.sections.get("batches")
    if evaluation.window is None and isinstance(batches, BatchesSection):
        update["window"] = batches.longest_sequence
        derived.formulas["evaluation.window"] = _longest(batches)
    window = update.get("window", evaluation.window)
    if evaluation.stride is None and window is not None:
        update["stride"] = window // 2
        derived.formulas["evaluation.stride"] = "evaluation.window // 2"
    derived.sections["evaluation"] = evaluation.model_copy(update=update)


def _timeline(training: TrainingSection, batches: BatchesSection, supply: Supply | None) -> Timeline | None:
    """The steps of the run; None where rules say why there are none, or only data or model can tell how many."""
    epoch_tokens = supply.epoch_tokens if supply is not None and supply.counted else None
    try:
        return make_timeline(batches, training.batch, training.duration, epoch_tokens=epoch_tokens)
    except (ValueError, UserError):
        return None


def _training(
    derived: Derived, training: TrainingSection, batches: BatchesSection, ranks: int, supply: Supply | None
) -> None:
    timeline = derived.timeline = _timeline(training, batches, supply)
    per_pass = training.micro_batch_size * ranks
    passes = f"samples_per_step / (training.micro_batch_size * {ranks} rank{'s' if ranks > 1 else ''})"
    for stage in range(len(batches.stages) or 1):
        place = f"batches.stages[{stage}]" if batches.stages else "training"
        length = (batches.stages[stage].sequence_length if batches.stages else None) or batches.sequence_length
        for when, samples in _batch_samples(training, timeline, stage, length).items():
            formula = f"training.batch_tokens{when and ' ' + when} / a sample of {length}"
            suffix = when and "_" + when.replace(" ", "_")
            derived.facts[f"{place}.samples_per_step{suffix}"] = samples, formula
            derived.facts[f"{place}.micro_batches{suffix}"] = samples // per_pass, passes
        if timeline is not None and batches.stages:
            steps = sum(leg.steps for leg in timeline.legs if leg.stage == stage)
            derived.facts[f"{place}.steps"] = steps, f"{place}.duration / training.batch_tokens, rounded up"
    if timeline is not None:
        whole = "the sum of batches.stages" if batches.stages else "training.duration"
        by_steps = not batches.stages and training.duration is not None and training.duration.unit == "steps"
        derived.facts["training.steps"] = timeline.steps, whole + ("" if by_steps else " / training.batch_tokens")
        derived.facts["training.tokens"] = timeline.tokens, "the places of the rows of all steps"


def _batch_samples(training: TrainingSection, timeline: Timeline | None, stage: int, length: int) -> dict[str, int]:
    """Samples of a step of a stage: one number, or those at its begin and at its end when the batch grows."""
    if timeline is not None:
        legs = [leg for leg in timeline.legs if leg.stage == stage]
        first, last = legs[0].batch_samples, legs[-1].batch_samples
    else:
        try:
            first, last = training.batch.start // length, training.batch.end // length
        except UserError:  # a rule says what is wrong with the ramp
            return {}
    return {"": first} if first == last else {"at the begin": first, "at the end": last}


def _mixture(derived: Derived, batches: BatchesSection, supply: Supply) -> None:
    """Shares, and what the stages take of each source."""
    for path, mixture in mixtures(batches):
        by_weight = "weight / sum of the weights"
        formula = by_weight if mixture.weights else "min(tokens, cap) ** (1 / temperature), normalised"
        for source, share in (shares(mixture, supply.tokens) or {}).items():
            derived.facts[f"{path}.shares.{source}"] = round(share, 9), formula
    if derived.timeline is None:
        return
    what = "tokens, counted" if supply.counted else "bytes of its files, at most that many tokens"
    for demand in demands(batches, derived.timeline, supply):
        place = f"batches.stages[{demand.stage}]" if batches.stages else "batches"
        derived.facts[f"{place}.tokens.{demand.source}"] = round(demand.tokens), f"{demand.share:.4g} of the tokens"
        if there := supply.tokens.get(demand.source):
            epochs = float(f"{demand.tokens / there:.4g}")
            derived.facts[f"{place}.epochs.{demand.source}"] = epochs, f"tokens / {there:,} {what}"
