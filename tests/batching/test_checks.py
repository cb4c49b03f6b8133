"""The rules about mixtures and stages, each broken and kept."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import pytest

from pretraining.batching.checks import RULES
from pretraining.batching.config import BatchesSection
from pretraining.batching.supply import Supply, demands
from pretraining.batching.timeline import BatchSize, make_timeline
from pretraining.corpus.config import CorpusSection
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.section import Duration, Finding

EVEN = {"weights": {"web": 0.5, "code": 0.5}}


def mixture(**keys: Any) -> dict[str, Any]:
    return {"mixture": keys}


def stages(*given: dict[str, Any]) -> dict[str, Any]:
    return {"stages": [{"name": f"s{n}", "duration": {"tokens": 6400}, **keys} for n, keys in enumerate(given)]}


def findings(
    rule_id: str, keys: dict[str, Any], *, tokens: dict[str, int] | None = None, counted: bool = True, **corpus: Any
) -> list[Finding]:
    """What one rule says about 6,400 tokens in batches of 640, rows of 64, from the sources web and code."""
    (rule,) = (rule for rule in RULES if rule.id == rule_id)
    batches = BatchesSection.model_validate({"sequence_length": 64, **keys})
    sources = [{"type": "text", "path": f"{name}.txt"} for name in ("web", "code")]
    timeline = None
    if "timeline" in inspect.signature(rule.check).parameters:
        timeline = make_timeline(batches, BatchSize(640, 640), Duration(tokens=6400))
    facts = {
        "batches": batches,
        "corpus": CorpusSection.model_validate({"sources": sources, **corpus}),
        "objective": CausalLMSection(),
        "timeline": timeline,
        "supply": Supply(tokens or {}, counted, None),
    }
    return list(rule.check(**{name: facts[name] for name in inspect.signature(rule.check).parameters}))


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"mixture": EVEN},
        mixture(weights={"web": 70, "code": 0}, max_epochs={"web": 2.5}),
        mixture(temperature=3.3, cap=10_000),
        stages({}, {"sequence_length": 128}),
        stages({"mixture": EVEN}, {"mixture": {"temperature": 1.0}}),
        {"mixture": EVEN, **stages({}, {"mixture": mixture(temperature=2.0)["mixture"]})},
        mixture(**EVEN, adapt={"function": "json.decoder:loads", "every": {"steps": 10}}),
    ],
)
def test_every_rule_accepts_what_is_right(keys: dict[str, Any]) -> None:
    for rule in RULES:
        assert findings(rule.id, keys, tokens={"web": 100_000, "code": 100_000}) == [], rule.id


def test_unknown_sources_are_named_with_what_was_meant() -> None:
    (finding,) = findings("mixture_sources_known", mixture(weights={"web": 1, "code": 1, "cod": 1}))
    assert finding.path == "batches.mixture.weights.cod"
    assert (finding.hint, finding.fix) == ("did you mean code?", "write one of: code, web")
    (finding,) = findings("mixture_sources_known", mixture(temperature=2.0, max_epochs={"wbe": 2.0}))
    assert (finding.path, finding.hint) == ("batches.mixture.max_epochs.wbe", "did you mean web?")


def test_every_source_has_a_weight() -> None:
    (finding,) = findings("mixture_sources_known", stages({"mixture": EVEN}, mixture(weights={"web": 1})))
    assert finding.path == "batches.stages[1].mixture.weights"
    assert finding.message == "code has no weight"
    assert finding.fix == "give every source of the corpus a weight; 0 leaves a source out: code: 0"


@pytest.mark.parametrize(
    ("keys", "path", "message"),
    [
        ({"weights": {"web": -0.1, "code": 1}}, "weights.web", "cannot be negative"),
        ({"weights": {"web": 0, "code": 0}}, "weights", "no source has a weight above 0"),
        ({"temperature": 2.0, "max_epochs": {"web": 0.0}}, "max_epochs.web", "may be seen no times"),
    ],
)
def test_weights_that_cannot_be_used(keys: dict[str, Any], path: str, message: str) -> None:
    (finding,) = findings("mixture_weights_usable", mixture(**keys))
    assert finding.path == f"batches.mixture.{path}" and message in finding.message
    assert findings("source_runs_out", mixture(**keys)) == []  # which has nothing to go by


@pytest.mark.parametrize(
    ("adapt", "path", "message"),
    [
        ({"function": "json", "every": {"steps": 1}}, "function", "does not name a function"),
        ({"function": "no_such_package.x:f", "every": {"steps": 1}}, "function", "no module no_such_package.x"),
        ({"function": "json.no_such:f", "every": {"steps": 1}}, "function", "no module json.no_such"),
        ({"function": "bisect.deeper:f", "every": {"steps": 1}}, "function", "no module bisect.deeper"),
        ({"function": "json:f", "every": {"hours": 1.0}}, "every", "decisions every 1 hours could not be made again"),
        ({"function": "json:f", "every": {"tokens": 0}}, "every", "every 0 tokens"),
    ],
)
def test_weights_that_cannot_adapt(adapt: dict[str, Any], path: str, message: str) -> None:
    (finding,) = findings("adapt_possible", mixture(**EVEN, adapt=adapt))
    assert finding.path == f"batches.mixture.adapt.{path}" and message in finding.message


def test_adaptive_weights_need_held_out_text_and_import_nothing() -> None:
    keys = mixture(**EVEN, adapt={"function": "xmlrpc.client:f", "every": {"tokens": 100}})
    (finding,) = findings("adapt_possible", keys, held_out=0.0)
    assert finding.path == "batches.mixture.adapt" and "corpus.held_out is 0" in finding.message
    assert "xmlrpc" not in sys.modules


def test_stage_names_differ() -> None:
    (finding,) = findings("stage_names_unique", stages({"name": "a"}, {"name": "b"}, {"name": "a"}))
    assert finding.path == "batches.stages[2].name"


@pytest.mark.parametrize(
    ("duration", "message"),
    [({"epochs": 1.0}, "not in epochs"), ({"tokens_per_parameter": 20.0}, "not in tokens per parameter")],
)
def test_stages_are_measured_in_tokens_or_steps(duration: dict[str, float], message: str) -> None:
    (rule,) = (rule for rule in RULES if rule.id == "stage_durations")
    section = BatchesSection.model_validate(stages({}, {"duration": duration}))
    (finding,) = rule.check(section)
    assert finding.path == "batches.stages[1].duration" and message in finding.message
    (finding,) = rule.check(BatchesSection.model_validate(stages({"duration": {"steps": 0}})))
    assert "no steps" in finding.message


def test_all_stages_have_a_mixture_or_none() -> None:
    (finding,) = findings("mixture_in_every_stage", stages({"mixture": EVEN}, {"name": "end"}))
    assert finding.path == "batches.stages[1]" and "and end none" in finding.message


@pytest.mark.parametrize(
    ("options", "path", "message"),
    [
        ({"noise": 0.5}, "objective.noise", "not permitted"),
        ({"type": "span_corruption"}, "objective.type", "cannot change the objective"),
    ],
)
def test_options_of_the_objective(options: dict[str, Any], path: str, message: str) -> None:
    (finding,) = findings("stage_objective_valid", stages({}, {"objective": options}))
    assert finding.path == f"batches.stages[1].{path}" and message in finding.message
    assert findings("stage_objective_valid", stages({"objective": {"type": "causal_lm"}})) == []


def test_a_source_that_runs_out() -> None:
    """6,400 tokens, half of them code, of which there are 2,000; a batch is a tenth of it."""
    keys = {"mixture": EVEN}
    (finding,) = findings("source_runs_out", keys, tokens={"web": 3200, "code": 2000})
    assert finding.path == "batches.mixture.weights.code"
    assert finding.message == (
        "the run takes 3,200 tokens of code (a share of 0.5); there are 2,000, to be seen at most once: "
        "they are used up after 4,000 tokens of training"
    )
    assert finding.fix == (
        "lower the weight to 0.227, set batches.mixture.max_epochs.code to 1.6 or more or add text to code"
    )
    followed = [
        mixture(weights={"web": 0.5, "code": 0.227}),
        mixture(**EVEN, max_epochs={"code": 1.6}),
        {"mixture": EVEN, "max_epochs": 1.6},
    ]
    for keys in followed:
        assert findings("source_runs_out", keys, tokens={"web": 9999, "code": 2000}) == []


def test_a_source_that_may_not_be_seen_at_all_is_no_source_that_runs_out() -> None:
    keys = mixture(**EVEN, max_epochs={"code": 0.0})
    assert findings("source_runs_out", keys, tokens={"web": 9999, "code": 9999}) == []
    (finding,) = findings("mixture_weights_usable", keys)
    assert finding.path == "batches.mixture.max_epochs.code"


def test_a_source_that_runs_out_in_a_later_stage() -> None:
    keys = stages({"mixture": EVEN}, {"mixture": {"weights": {"web": 1, "code": 3}}})
    (finding,) = findings("source_runs_out", keys, tokens={"web": 4800, "code": 5600})
    assert finding.path == "batches.stages[1].mixture.weights.code"
    assert "stage s1 takes 4,800 tokens of code (a share of 0.75), and the stages before 3,200" in finding.message
    assert "used up after 9,600 tokens of training" in finding.message  # 6,400, and 2,400 / 0.75
    assert "lower the weight to 0.6, set batches.stages[1].mixture.max_epochs.code to 1.43" in finding.fix
    assert findings("source_runs_out", keys, tokens={"web": 4800, "code": 8000}) == []


def test_a_source_without_tokens() -> None:
    (finding,) = findings("source_runs_out", {"mixture": EVEN}, tokens={"web": 9999, "code": 0})
    assert "used up after 0 tokens" in finding.message
    assert finding.fix == "lower the weight to 0 or add text to code"


def test_bytes_are_no_tokens() -> None:
    keys = {"mixture": EVEN}
    assert findings("source_runs_out", keys, tokens={"web": 3000, "code": 2200}, counted=False) == []
    (finding,) = findings("source_runs_out", keys, tokens={"web": 3000, "code": 1900}, counted=False)
    assert "there are 1,900, counting every byte of its files as a token" in finding.message
    assert findings("source_runs_out", keys, tokens={"web": 3000}, counted=False) == []  # nothing known of code


def test_shares_by_temperature_follow_the_tokens() -> None:
    """Roots of 10,000 and 100: 10 of 11, and 1 of 11 tokens, which are 582 of 6,400."""
    keys = mixture(temperature=2.0)
    (finding,) = findings("source_runs_out", keys, tokens={"web": 10_000, "code": 100})
    assert finding.path == "batches.mixture.temperature" and "takes 582 tokens of code" in finding.message
    assert finding.fix.startswith("lower batches.mixture.temperature, set batches.mixture.max_epochs.code to 5.82")
    assert findings("source_runs_out", mixture(temperature=1.0), tokens={"web": 10_000, "code": 100}) == []


def test_a_stage_may_end_with_a_whole_batch() -> None:
    """640 of the 3,200 tokens of code come with the last batch."""
    keys = {"mixture": EVEN}
    assert findings("source_runs_out", keys, tokens={"web": 9999, "code": 2880}) == []
    assert findings("source_runs_out", keys, tokens={"web": 9999, "code": 2800})


def test_rows_that_are_not_full_hold_fewer_tokens() -> None:
    """Rows of code are half full: 67 of 100 rows are code's with 2,133 tokens, and as many are in the 33 of web."""
    batches = BatchesSection.model_validate({"sequence_length": 64, "mixture": EVEN})
    timeline = make_timeline(batches, BatchSize(640, 640), Duration(tokens=6400))
    supply = Supply({"web": 9999, "code": 9999}, True, None, {("web", 64): 1.0, ("code", 64): 0.5})
    assert [round(demand.tokens) for demand in demands(batches, timeline, supply)] == [2133, 2133]


def test_demands_add_up_to_the_run() -> None:
    keys = {"mixture": EVEN, **stages({}, {"mixture": {"weights": {"web": 1, "code": 0}}}, {"sequence_length": 128})}
    batches = BatchesSection.model_validate(keys | {"sequence_length": 64})
    timeline = make_timeline(batches, BatchSize(640, 1920, 9000), None)
    found = demands(batches, timeline, Supply({}, False, None))
    assert sum(demand.tokens for demand in found) == timeline.tokens
    assert [(demand.stage, demand.source) for demand in found] == [
        *((0, "web"), (0, "code"), (1, "web"), (2, "web"), (2, "code"))
    ]
    last = found[-1]
    assert last.before == found[1].tokens and last.first_token == timeline.tokens_before(
        next(leg.first_step for leg in timeline.legs if leg.stage == 2)
    )
