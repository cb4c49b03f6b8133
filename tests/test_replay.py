"""What ``pretrain replay`` shows is what the training loads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pretraining import cli
from pretraining.batching.loader import GlobalBatches, Samples, batch_digest
from pretraining.batching.plan import load_plan, make_plan, save_plan
from pretraining.batching.schedule import make_schedule
from pretraining.recipe.loading import load_recipe
from pretraining.replay import Found, Replay
from pretraining.replay_text import line
from pretraining.run import Run
from pretraining.stages import BY_NAME
from pretraining.tokenization.store import TokenStore

RECIPE = """\
name: mixed
seed: 5
corpus: {sources: [{type: text, path: lincoln.txt}, {type: text, path: union.txt}]}
tokenizer: {vocab_size: 320}
batches:
  sequence_length: 32
  max_epochs: 1000
  mixture: {weights: {lincoln: 3, union: 1}}
  stages:
    - {name: short, duration: {tokens: 4096}}
    - {name: long, duration: {steps: 4}, sequence_length: 64, mixture: {weights: {lincoln: 1, union: 1}}}
model: {architecture: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2}
training: {batch_tokens: {from: 256, to: 512, over: {tokens: 2000}}, micro_batch_size: 2}
"""


@pytest.fixture
def run(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run folder with a plan for two stages, and no training yet."""
    monkeypatch.chdir(tmp_path)
    for name in ("lincoln", "union"):
        Path(f"{name}.txt").write_text("x" * 9999)
    Path("mixed.yaml").write_text(RECIPE)
    folder = Path("runs/mixed")
    for name in ("tokens", "tokenizer"):
        shutil.copytree(run_folder / name, folder / name)
    (folder / "batches").mkdir()
    run = Run(load_recipe("mixed.yaml"), folder)
    plan = make_plan(run.loaded.recipe.batches, TokenStore(folder / "tokens"), raw_length=lambda length, _: length)
    save_plan(plan, folder / "batches")
    manifest = {"section": run.section(*BY_NAME["batches"].keys)}
    (folder / "batches" / "manifest.json").write_text(json.dumps(manifest))
    return run


def write_timeline(run: Run, **changes: Any) -> None:
    """``timeline.json`` as the training writes it."""
    timeline = run.loaded.timeline
    assert timeline is not None
    facts = {
        "seed": 5,
        "plan": load_plan(run.folder / "batches").fingerprint,
        "batches": run.loaded.recipe.batches.model_dump(mode="json", exclude_none=True),
        "stages": timeline.stage_names,
        "legs": [asdict(leg) for leg in timeline.legs],
        "decisions": [],
        "data_changes": [],
    }
    (run.folder / "timeline.json").write_text(json.dumps(facts | changes))


def loaded_samples(run: Run, step: int, ranks: int, decisions: list[dict[str, Any]] | None = None) -> list[list[Any]]:
    """The samples of a step (counted from 0) that each rank loads."""
    store, plan, timeline = TokenStore(run.folder / "tokens"), load_plan(run.folder / "batches"), run.loaded.timeline
    assert timeline is not None
    schedule = make_schedule(run.loaded.recipe.batches, timeline, plan, decisions=decisions or [])
    samples = Samples(store, plan, schedule, seed=5)
    found = []
    for rank in range(ranks):
        batches = GlobalBatches(timeline, micro=2, rank=rank, ranks=ranks, first_step=step, last_step=step + 1)
        found.append([sample for indices in batches for sample in samples.__getitems__(indices)])
    return found


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("step", [1, 8, 12, 16])
def test_a_step_is_what_the_ranks_load(run: Run, step: int, started: bool, tokenizer: Any) -> None:
    if started:
        write_timeline(run)
    replay, ranks = Replay(run), loaded_samples(run, step - 1, 2)
    found = replay.step(step, ranks=2)
    assert found.digest == batch_digest([*ranks[0], *ranks[1]]) and found.steps == 16
    assert found.stage == ("short" if step <= 12 else "long")
    for rank, samples in enumerate(ranks):
        mine = replay.step(step, rank=rank, ranks=2)
        assert mine.digest == found.digest
        assert mine.samples == tuple(sample for sample in found.samples if sample.rank == rank)
        for shown, sample in zip(mine.samples, samples, strict=True):
            assert (shown.index, shown.epoch) == (sample["index"], sample["epoch"])
            assert [piece.length for piece in shown.pieces] == sample["lengths"].tolist()
            assert "".join(piece.text for piece in shown.pieces) == tokenizer.decode(sample["input_ids"])


def test_the_pieces_are_those_of_the_documents(run: Run) -> None:
    replay = Replay(run)
    for sample in replay.step(16).samples:
        for piece in sample.pieces:
            number = int(piece.document.removeprefix("train/"))
            assert piece.source == ("lincoln", "union")[number % 2]
            ids = replay.store.slice(number, piece.start, piece.length)
            assert replay.tokenizer.decode(ids.tolist(), skip_special_tokens=False) == piece.text


def test_decisions_of_the_training_are_followed(run: Run) -> None:
    decisions = [{"step": 4, "weights": {"lincoln": 0.1, "union": 0.9}, "losses": {}}]
    before = Replay(run).step(7).digest
    write_timeline(run, decisions=decisions)
    (samples,) = loaded_samples(run, 6, 1, decisions)
    assert Replay(run).step(7).digest == batch_digest(samples) != before


def test_a_document_is_found_at_all_its_steps(run: Run) -> None:
    write_timeline(run)
    (run.folder / "metrics.jsonl").write_text('{"step": 2}\n{"step": 9}\n')
    replay = Replay(run)
    (trace,) = replay.traces(replay.find("train/7"))
    expected = {
        (step, sample.index, sample.epoch, piece.start, piece.length, step <= 9)
        for step in range(1, 17)
        for sample in replay.step(step).samples
        for piece in sample.pieces
        if piece.document == "train/7"
    }
    assert {tuple(asdict(sighting).values()) for sighting in trace.sightings} == expected
    assert len(trace.sightings) == len(expected) > 2 and trace.tokens == len(replay.store[7])
    assert {sighting.seen for sighting in trace.sightings} == {True, False}


@pytest.mark.parametrize(
    ("wanted", "training", "held_out"),
    [
        ("train/1", [1], []),  # exact: not train/10 too
        ("validation/1", [], [1]),
        ("n/3", [3, *range(30, 40)], [3]),
        ("battle-field", list(range(1, 40, 5)), [1]),
        ("1863. (7)", [39], []),
        ("1863. (8)", [], [4]),
    ],
)
def test_documents_are_found_by_id_part_of_it_or_text(
    run: Run, wanted: str, training: list[int], held_out: list[int]
) -> None:
    found = Replay(run).find(wanted)
    assert (found.training, found.held_out) == (training, held_out)


def test_the_first_of_the_documents_are_those_of_the_training() -> None:
    found = Found([4, 5], [1, 2, 3])
    assert [found.first(most) for most in (1, 3, 9)] == [Found([4], []), Found([4, 5], [1]), found]


@pytest.fixture
def pretrain(run: Run) -> Callable[..., tuple[int, str, str]]:
    """``pretrain replay mixed.yaml`` with these arguments: (status, stdout, stderr)."""

    def command(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(cli.app, ["replay", "mixed.yaml", *arguments])
        assert "Traceback" not in result.stderr
        return result.exit_code, result.stdout, result.stderr

    return command


def test_the_command_prints_a_line_a_piece(run: Run, pretrain: Callable[..., tuple[int, str, str]]) -> None:
    step = Replay(run).step(3)
    status, out, _ = pretrain("--step", "3")
    lines = out.splitlines()
    assert status == 0 and f"step 3 of 16, stage short: samples {step.first_sample} to" in lines[0]
    assert lines[0].endswith(f"batch {step.digest}")
    pieces = [piece for sample in step.samples for piece in sample.pieces]
    assert len(lines) == 1 + len(step.samples) + len(pieces)
    first = pieces[0]
    assert f"    {first.source}  {first.document}  {first.start}:{first.length}  " in out
    _, full, _ = pretrain("--step", "3", "--full")
    assert all(piece.text in full for piece in pieces)
    _, text, _ = pretrain("--step", "3", "--rank", "1", "--ranks", "2", "--json")
    data = json.loads(text)
    assert data["digest"] == step.digest and [each["rank"] for each in data["samples"]] == [1] * (
        len(step.samples) // 2
    )


def test_a_text_is_shortened_to_a_line() -> None:
    assert line('a "b"\n\tc 中', more=False) == 'a \\"b\\"\\n\\tc 中'
    assert line("中" * 33, more=True) == "中" * 33 + "…"
    assert line("a" * 100, more=False) == "a" * 100
    assert line("a" * 101, more=False) == "a" * 99 + "…"


def test_the_command_prints_where_documents_are_seen(pretrain: Callable[..., tuple[int, str, str]], run: Run) -> None:
    write_timeline(run, data_changes=[{"step": 2, "was": {}, "now": {}}])
    status, out, _ = pretrain("--grep", "world will little note")
    assert status == 0 and "(to come)" in out and out.count(" tokens\n") == 9  # one is held out
    assert out.count("    held out, never trained on\n") == 1 and "not in the" not in out
    assert "the first 2 steps took their samples from other data" in out
    _, text, _ = pretrain("--grep", "train/3", "--json")
    (trace,) = json.loads(text)
    assert trace["document"] == "train/3" and not trace["held_out"]
    _, text, _ = pretrain("--grep", "validation/3", "--json")
    (held_out,) = json.loads(text)
    assert (held_out["document"], held_out["held_out"], held_out["sightings"]) == ("validation/3", True, [])
    assert trace["document"] == "train/3" and min(each["step"] for each in trace["sightings"]) > 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--step", "17"), "--step 17: the run has the steps 1 to 16"),
        (("--step", "0"), "the run has the steps 1 to 16"),
        (("--step", "1", "--rank", "2", "--ranks", "2"), "counted from 0 to one less than --ranks"),
        (("--step", "1", "--ranks", "3"), "the 8 samples of step 1 do not divide among them"),
        (("--grep", ""), "--grep '': every document has this; give an id, a part of one, or a piece of text"),
        ((), "give either --step N or --grep TEXT"),
        (("--step", "1", "--grep", "x"), "give either --step N or --grep TEXT"),
        (("--grep", "nowhere to be found"), "no document of runs/mixed/tokens has this in its id or in its text"),
        (
            ("batches.packing=concatenate", "--step", "1"),
            "was made for another recipe; run `pretrain tokens mixed.yaml",
        ),
    ],
)
def test_mistakes(pretrain: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], message: str) -> None:
    status, _, err = pretrain(*arguments)
    assert status == 2 and message in err


def test_what_only_the_training_knows(run: Run, pretrain: Callable[..., tuple[int, str, str]]) -> None:
    write_timeline(run, data_changes=[{"step": 2, "was": {}, "now": {}}])
    assert pretrain("--step", "3")[0] == 0
    status, _, err = pretrain("--step", "2")
    assert status == 2 and "the first 2 steps of this run took their samples from other data" in err
    write_timeline(run, plan="0123")
    status, _, err = pretrain("--step", "3")
    assert status == 2 and "used the batch plan 0123" in err
    (run.folder / "timeline.json").unlink()
    overrides = ["batches.stages=[]", "training.duration={tokens_per_parameter: 20}"]
    section = Run(load_recipe("mixed.yaml", overrides), run.folder).section(*BY_NAME["batches"].keys)
    (run.folder / "batches" / "manifest.json").write_text(json.dumps({"section": section}))
    status, _, err = pretrain("--step", "3", *overrides)
    assert status == 2 and "start the training once (`pretrain train" in err


def test_torch_and_datasets_stay_away(run: Run) -> None:
    import subprocess
    import sys

    code = "import sys, pretraining.cli as c\ntry: c.main()\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code, "replay", "mixed.yaml", "--step", "2"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("step 2 of 16")
    assert not {"torch", "transformers", "datasets", "pandas", "datatrove"} & set(done.stderr.split())
