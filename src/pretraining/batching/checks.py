"""The rules about the ``batches`` section: mixtures that name what there is, stages that fit, sources that last."""

from __future__ import annotations

import difflib
import importlib.machinery
import importlib.util
import math
from collections.abc import Iterator

from pydantic import ValidationError

from pretraining.batching.config import BatchesSection, MixtureSection
from pretraining.batching.supply import Demand, Supply, demands, mixture_of, mixture_path, mixtures
from pretraining.batching.timeline import Timeline
from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sources import source_name
from pretraining.section import Duration, Finding, Rule, Section

ESTIMATE_SLACK = 1.5
"""As in the rule about the whole of the data: an estimate may be wrong by this factor before a rule complains."""


def _mixture_sources_known(batches: BatchesSection, corpus: CorpusSection) -> Iterator[Finding]:
    names = [source_name(source) for source in corpus.sources]
    for path, mixture in mixtures(batches):
        for key, given in (("weights", mixture.weights or {}), ("max_epochs", mixture.max_epochs)):
            for name in given:
                if name not in names:
                    near = difflib.get_close_matches(name, names, n=1)
                    yield Finding(
                        f"{path}.{key}.{name}",
                        "the corpus has no such source",
                        f"write one of: {', '.join(sorted(names))}",
                        f"did you mean {near[0]}?" if near else "",
                    )
        missing = [name for name in names if name not in mixture.weights] if mixture.weights is not None else []
        if missing:
            yield Finding(
                f"{path}.weights",
                f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no weight",
                f"give every source of the corpus a weight; 0 leaves a source out: {missing[0]}: 0",
            )


def _mixture_weights_usable(batches: BatchesSection) -> Iterator[Finding]:
    for path, mixture in mixtures(batches):
        weights = mixture.weights
        for name, weight in (weights or {}).items():
            if weight < 0:
                yield Finding(f"{path}.weights.{name}", "a share cannot be negative", "give 0 or more")
        if weights is not None and not any(weights.values()):
            message = "no source has a weight above 0: there would be nothing to train on"
            yield Finding(f"{path}.weights", message, "give at least one source a weight above 0")
        for name, epochs in mixture.max_epochs.items():
            if epochs <= 0:
                message = "a source that may be seen no times cannot be trained on"
                yield Finding(f"{path}.max_epochs.{name}", message, "give a number above 0, or the source the weight 0")


def _adapt_possible(batches: BatchesSection, corpus: CorpusSection) -> Iterator[Finding]:
    for path, mixture in mixtures(batches):
        if mixture.adapt is None:
            continue
        module, _, function = mixture.adapt.function.partition(":")
        if not module or not function:
            fix = "write module:function, such as my_package.mixing:by_loss"
            yield Finding(f"{path}.adapt.function", "this does not name a function of a module", fix)
        elif not _installed(module):
            fix = "correct it, or install the package that has it"
            yield Finding(f"{path}.adapt.function", f"there is no module {module}", fix)
        if mixture.adapt.every.unit not in ("tokens", "steps") or not mixture.adapt.every.amount > 0:
            message = f"decisions {_every(mixture.adapt.every)} could not be made again at the same place"
            yield Finding(f"{path}.adapt.every", message, "give a number of tokens or steps above 0")
        if not corpus.held_out:
            message = "weights adapt to the held-out loss of each source, and corpus.held_out is 0"
            yield Finding(f"{path}.adapt", message, "hold some documents out, such as corpus.held_out = 0.01")


def _every(duration: Duration) -> str:
    return "every 0 tokens" if not duration.amount else f"every {duration}"


def _installed(module: str) -> bool:
    """Whether a module can be found; only the packages above it are looked at, nothing is imported."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top) if top else None
        for part in rest:
            if spec is None or spec.submodule_search_locations is None:
                return False
            spec = importlib.machinery.PathFinder.find_spec(f"{spec.name}.{part}", spec.submodule_search_locations)
    except ValueError:  # a module without a spec, such as __main__
        return False
    return spec is not None


def _stage_names_unique(batches: BatchesSection) -> Iterator[Finding]:
    seen: set[str] = set()
    for number, stage in enumerate(batches.stages):
        if stage.name in seen:
            message = "another stage has this name: log and report could not tell them apart"
            yield Finding(f"batches.stages[{number}].name", message, "give every stage a name of its own")
        seen.add(stage.name)


def _stage_durations(batches: BatchesSection) -> Iterator[Finding]:
    for number, stage in enumerate(batches.stages):
        if stage.duration.unit not in ("tokens", "steps"):
            yield Finding(
                f"batches.stages[{number}].duration",
                f"a stage is measured in tokens or steps, not in {stage.duration.unit.replace('_', ' ')}",
                "give tokens or steps",
            )
        elif not stage.duration.amount:
            message = "a stage of no steps trains nothing"
            yield Finding(f"batches.stages[{number}].duration", message, "give a number above 0, or remove the stage")


def _mixture_in_every_stage(batches: BatchesSection) -> Iterator[Finding]:
    without = [number for number in range(len(batches.stages)) if mixture_of(batches, number) is None]
    if without and len(without) < len(batches.stages):
        names = ", ".join(batches.stages[number].name for number in without)
        yield Finding(
            f"batches.stages[{without[0]}]",
            f"other stages have a mixture, and {names} none: nothing says how the sources are mixed there",
            "give batches.mixture, which holds for stages without one; temperature: 1 takes sources as they come",
        )


def _stage_objective_valid(batches: BatchesSection, objective: Section) -> Iterator[Finding]:
    given = objective.model_dump(mode="json", by_alias=True)
    for number, stage in enumerate(batches.stages):
        path = f"batches.stages[{number}].objective"
        if stage.objective.get("type", given.get("type")) != given.get("type"):
            message = "a stage cannot change the objective, only its options"
            yield Finding(f"{path}.type", message, f"remove it; the objective is {given.get('type')}")
            continue
        try:
            type(objective).model_validate({**given, **stage.objective})
        except ValidationError as error:
            for each in error.errors(include_url=False):
                where = ".".join(str(part) for part in each["loc"])
                fix = "correct it; it is checked as the same key of `objective`"
                yield Finding(f"{path}.{where}" if where else path, each["msg"], fix)


def _source_runs_out(batches: BatchesSection, timeline: Timeline, supply: Supply) -> Iterator[Finding]:
    found = demands(batches, timeline, supply)
    slack = 1.0 if supply.counted else ESTIMATE_SLACK
    for source in dict.fromkeys(demand.source for demand in found):
        for demand in (demand for demand in found if demand.source == source and source in supply.tokens):
            if demand.allowed <= 0:  # another rule says that a source cannot be seen no times
                continue
            there = demand.allowed * supply.tokens[source] * slack * (1 + 1e-3)
            if demand.before + demand.tokens - demand.last_batch > there:
                yield _runs_out(batches, timeline, supply, demand)
                break


def _runs_out(batches: BatchesSection, timeline: Timeline, supply: Supply, demand: Demand) -> Finding:
    """Where a source ends, and the ways out of it."""
    path, mixture = mixture_path(batches, demand.stage), mixture_of(batches, demand.stage)
    assert mixture is not None
    there, wanted = supply.tokens[demand.source], demand.before + demand.tokens
    left = max(0.0, demand.allowed * there - demand.before)
    places = sum(leg.steps * leg.batch_tokens for leg in timeline.legs if leg.stage == demand.stage)
    where = f"stage {timeline.stage_names[demand.stage]}" if batches.stages else "the run"
    about = "" if supply.counted else ", counting every byte of its files as a token"
    earlier = f", and the stages before {demand.before:,.0f}" if demand.before else ""
    message = (
        f"{where} takes {demand.tokens:,.0f} tokens of {demand.source} (a share of {demand.share:.4g}){earlier}; there "
        f"are {there:,}{about}, to be seen at most {_times(demand.allowed)}: they are used up after "
        f"{demand.first_token + left / demand.tokens * places:,.0f} tokens of training"
    )
    ways = [_lower(mixture, demand, left, path)]
    if there:
        epochs = math.ceil(wanted / there * 100) / 100
        ways.append(f"set {path}.max_epochs.{demand.source} to {epochs:g} or more")
    key = "weights." + demand.source if mixture.weights else "temperature"
    return Finding(f"{path}.{key}", message, f"{', '.join(ways)} or add text to {demand.source}")


def _times(number: float) -> str:
    return "once" if number == 1 else f"{number:g} times"


def _lower(mixture: MixtureSection, demand: Demand, left: float, path: str) -> str:
    """The weight with which what is left lasts for the stage, all other weights as they are."""
    if mixture.weights is None:
        return f"lower {path}.temperature"
    share = left / demand.tokens * demand.share
    others = math.fsum(mixture.weights.values()) - mixture.weights[demand.source]
    weight = share / (1 - share) * others
    digits = 3 - math.ceil(math.log10(weight)) if weight > 0 else 0
    return f"lower the weight to {math.floor(weight * 10**digits) / 10**digits:.12g}"


RULES = [
    Rule(
        "mixture_sources_known",
        "A mixture names sources of the corpus, and its weights all of them.",
        "A misspelt name would leave a source out, or ask for one that is not there, days before it is seen.",
        _mixture_sources_known,
    ),
    Rule(
        "mixture_weights_usable",
        "Weights are not negative, and one is above 0; no source may be seen at most 0 times.",
        "There would be no share to draw by. Weights that do not sum to 1 are divided by their sum, and that is said.",
        _mixture_weights_usable,
    ),
    Rule(
        "adapt_possible",
        "`adapt` names a function of an installed module, decides every so many tokens or steps, on held-out text.",
        "It would fail at its first decision, or decide at another moment on another machine.",
        _adapt_possible,
    ),
    Rule(
        "stage_names_unique",
        "No two stages have the same name.",
        "Log and report could not tell them apart.",
        _stage_names_unique,
    ),
    Rule(
        "stage_durations",
        "Every stage lasts a number of tokens or steps above 0.",
        "Epochs of a mixture, and parameters of a part of the training, have no meaning; hours are not repeatable.",
        _stage_durations,
    ),
    Rule(
        "mixture_in_every_stage",
        "Either every stage has a mixture (its own, or `batches.mixture`), or none has.",
        "Documents that come as they are and documents by source are packed into different rows.",
        _mixture_in_every_stage,
    ),
    Rule(
        "stage_objective_valid",
        "The objective options of a stage are options of `objective`, with valid values; its type stays.",
        "A misspelt option would leave the objective as it is, in one stage only.",
        _stage_objective_valid,
    ),
    Rule(
        "source_runs_out",
        "No source is seen more often than its `max_epochs` (or `batches.max_epochs`), summed over the stages.",
        "It would run out in the middle of the training, and be repeated, or missing, from there on.",
        _source_runs_out,
    ),
]
