"""Mixtures, stages, a growing batch and adaptive weights in the loop itself, in this process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pretraining.batching.adaptive import exponentiated
from pretraining.batching.config import BatchesSection
from pretraining.batching.plan import make_plan, save_plan
from pretraining.errors import DataError, TrainingError
from pretraining.modeling.config import ModelSection
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.tokenization.store import TokenStore
from pretraining.training import loop
from pretraining.training.checkpoints import TrainingState, newest, read_state, read_tensors
from pretraining.training.config import TrainingSection
from pretraining.training.distributed import make_accelerator
from pretraining.training.job import Job
from pretraining.training.setup import make_setup

BATCHES = {
    "sequence_length": 16,
    "max_epochs": 100.0,
    "mixture": {
        "weights": {"lincoln": 3.0, "union": 1.0},
        "adapt": {"function": "pretraining.batching.adaptive:exponentiated", "every": {"steps": 4}},
    },
    "stages": [
        {"name": "short", "duration": {"tokens": 600}},
        {"name": "long", "duration": {"steps": 6}, "sequence_length": 32},
    ],
}  # 6 steps of 64, 2 of 128, 6 of 128 tokens
TRAINING = {
    "batch_tokens": {"from": 64, "to": 128, "over": {"tokens": 380}},
    "micro_batch_size": 2,
    "optimizer": {"learning_rate": 1e-2},
    "schedule": {"warmup": {"tokens": 100}},
    "log_every": {"steps": 2},
    "evaluate_every": {"steps": 7},
    "checkpoints": {"every": {"steps": 5}, "keep": 9},
}
MODEL = {
    "architecture": "llama", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
    "num_attention_heads": 2, "max_position_embeddings": 32, "attention_dropout": 0.1,
}  # fmt: skip


def make_job(run: Path, batches: dict[str, Any], **keys: Any) -> Job:
    section = BatchesSection.model_validate(batches)
    for path in (run / "batches").iterdir():
        path.unlink()
    store = TokenStore(run / "tokens")
    save_plan(make_plan(section, store, raw_length=lambda length, _: length), run / "batches")
    training = TrainingSection.model_validate(TRAINING | keys)
    return Job(run, 5, section, CausalLMSection(), ModelSection.model_validate(MODEL), training)


def run_training(job: Job) -> tuple[dict[str, torch.Tensor], TrainingState]:
    """Train, from the newest checkpoint where there is one; the weights and the last state."""
    found: list[Path | None] = []

    def resumed(identity: dict[str, Any]) -> int:
        found.append(newest(job.run / "checkpoints", identity))
        return read_state(found[0]).step if found[0] else 0

    setup = make_setup(job, make_accelerator(trackers=[], project=job.run), resumed_step=resumed)
    state = TrainingState(identity=setup.identity)
    if found[0]:
        state = read_state(found[0])
        setup.scatter(*read_tensors(found[0]), step=state.step)
    loop.train(setup, state)
    return setup.gather(step=state.step)[0], state


def lines(run: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in ("seconds", "tokens_per_second", "peak_share")} for line in found
    ]


def quickly(patch: pytest.MonkeyPatch) -> None:
    """On the CPU, without measuring how fast it is."""
    patch.setenv("ACCELERATE_USE_CPU", "true")
    patch.setattr("pretraining.training.setup.matmul_peak", lambda device, dtype: 1e9)


@pytest.fixture()
def fresh(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    quickly(monkeypatch)
    return lambda name: Path(shutil.copytree(run_folder, tmp_path / name))


@pytest.fixture(scope="module")
def whole(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run without a stop: its folder, weights and last state."""
    with pytest.MonkeyPatch.context() as patch:
        quickly(patch)
        run = Path(shutil.copytree(run_folder, tmp_path_factory.mktemp("whole") / "run"))
        return (run, *run_training(make_job(run, BATCHES)))


def test_the_metrics_tell_stages_batches_sources_and_decisions(whole: Any) -> None:
    run, _, state = whole
    logged = lines(run)
    assert [(x["step"], x["stage"], x["batch_tokens"], x["tokens"]) for x in logged if "loss" in x] == [
        (2, "short", 64, 128),
        (4, "short", 64, 256),
        (6, "short", 64, 384),
        (8, "short", 128, 640),
        (10, "long", 128, 896),
        (12, "long", 128, 1152),
        (14, "long", 128, 1408),
    ]
    held_out = [line for line in logged if "held_out_loss" in line]
    assert [line["step"] for line in held_out] == [7, 14]
    for line in held_out:
        both = line["held_out_loss/lincoln"], line["held_out_loss/union"]
        assert min(both) <= line["held_out_loss"] <= max(both) and both[0] != both[1]
    decisions = [line["decision"] | {"step": line["step"]} for line in logged if "decision" in line]
    assert decisions == state.decisions and [each["step"] for each in decisions] == [4, 8, 12]
    assert (state.step, state.tokens, state.samples) == (14, 1408, 4 * 6 + 8 * 2 + 4 * 6)


def test_decisions_are_those_of_the_function(whole: Any) -> None:
    _, _, state = whole
    weights: dict[str, float] = {"lincoln": 0.75, "union": 0.25}
    for number, decision in enumerate(state.decisions):
        weights = exponentiated(weights, decision["losses"], state.decisions[:number])
        assert decision["weights"] == pytest.approx(weights, rel=1e-12)
    assert weights != {"lincoln": 0.75, "union": 0.25}


def test_the_timeline_file_says_what_the_run_did(whole: Any) -> None:
    run, _, state = whole
    facts = json.loads((run / "timeline.json").read_text())
    assert (facts["steps"], facts["samples"], facts["tokens"], facts["seed"]) == (14, state.samples, state.tokens, 5)
    assert [(leg["stage"], leg["steps"], leg["batch_samples"]) for leg in facts["legs"]] == [
        (0, 6, 4),
        (0, 2, 8),
        (1, 6, 4),
    ]
    assert facts["decisions"] == state.decisions and facts["plan"] == state.identity["data.plan"]
    assert facts["stages"] == ["short", "long"] and BatchesSection.model_validate(facts["batches"])
    assert not list(run.glob(".*.tmp"))


def test_a_run_that_goes_on_in_the_ramp_is_the_same_run(whole: Any, fresh: Any) -> None:
    """With workers, which must not be ahead with samples of the mixture that was."""
    run, weights, state = whole
    job = make_job(fresh("resumed"), BATCHES, loader_workers=1)
    shutil.copytree(run / "checkpoints" / "step-00000005", job.run / "checkpoints" / "step-00000005")
    shutil.copy(run / "metrics.jsonl", job.run)
    resumed, last = run_training(job)
    assert lines(job.run) == lines(run) and last.decisions == state.decisions
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in weights.items())


def test_without_a_mixture_nothing_is_said_about_sources(fresh: Any) -> None:
    job = make_job(
        fresh("plain"), {"sequence_length": 16, "packing": "none", "max_epochs": 100.0}, duration={"steps": 7}
    )
    _, state = run_training(job)
    assert state.decisions == [] and not any("held_out_loss/" in key for line in lines(job.run) for key in line)
    assert json.loads((job.run / "timeline.json").read_text())["stages"] == ["all"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adapt": {"function": "nowhere:at_all", "every": {"steps": 4}}}, "cannot be imported"),
        ({"adapt": {"function": "json:dumps", "every": {"steps": 4}}}, "after step 4: json:dumps"),
        ({"max_epochs": {"union": 0.1}}, r"end of the stage long .* tokens of union 0\.\d+ times, but 0.1 is"),
    ],
)
def test_what_the_user_must_put_right(fresh: Any, change: dict[str, Any], message: str) -> None:
    mixture: dict[str, Any] = BATCHES["mixture"] | change  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        run_training(make_job(fresh("wrong"), BATCHES | {"mixture": mixture}))


def test_adapting_needs_held_out_documents_of_every_source(fresh: Any, corpus_folder: Path, tokenizer: Any) -> None:
    run = fresh("few")
    job = make_job(run, BATCHES)
    shutil.rmtree(run / "tokens" / "validation")
    (run / "tokens" / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(DataError, match="nothing is held out of lincoln, union"):
        run_training(job)


def test_a_batch_without_a_target_stops_the_run(fresh: Any) -> None:
    """Every document is cut into pieces of one token, and the first token of a piece is no target."""
    job = make_job(fresh("empty"), {"sequence_length": 16}, duration={"steps": 2}, batch_tokens=64)
    for path in (job.run / "batches").iterdir():
        path.unlink()
    plan = make_plan(job.batches, TokenStore(job.run / "tokens"), raw_length=lambda length, _: 1)
    save_plan(plan, job.run / "batches")
    with pytest.raises(TrainingError, match=r"no token of step 1 is .* causal_lm.*Rows of 16 tokens are too short"):
        run_training(job)
    assert not list((job.run / "checkpoints").glob("step-*"))
