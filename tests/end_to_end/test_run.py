"""The whole chain through the command, as a user runs it."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("end_to_end_helpers", Path(__file__).with_name("conftest.py"))
assert _spec is not None and _spec.loader is not None
helpers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(helpers)
pretrain, start, kill_all, results = helpers.pretrain, helpers.start, helpers.kill_all, helpers.results


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, prose: list[str]) -> Path:
    """A workplace in which the whole recipe ran once without a stop."""
    workplace = helpers.workplace.__wrapped__ if hasattr(helpers.workplace, "__wrapped__") else None
    folder = tmp_path_factory.mktemp("finished")
    assert workplace is not None
    workplace(folder, prose)
    pretrain(folder, "run", "tiny.yaml")
    return folder


@pytest.fixture()
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy", copy_function=shutil.copy2))


def test_the_run_folder_holds_what_the_design_says(finished: Path) -> None:
    run = finished / "runs" / "tiny"
    names = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    folders = {"corpus", "tokenizer", "tokens", "batches", "checkpoints", "model", "evaluation"}
    folders.add("corpus.work")  # what was measured
    files = {"recipe.yaml", "manifest.json", "metrics.jsonl", "timeline.json", "report.html", "README.md"}
    assert names == folders | files
    ledger = json.loads((run / "corpus" / "ledger.json").read_text())
    assert ledger["documents"] == {"in": 202, "kept": 200, "removed": 2, "unreadable": 0}
    assert [p.name for p in (run / "checkpoints").iterdir()] != []
    assert not list(run.glob(".*.tmp"))


def test_the_model_loads_and_knows_its_corpus(finished: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = finished / "runs" / "tiny" / "model"
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.use_cache is True and tokenizer.model_max_length == 32
    assert (model.config.bos_token_id, model.config.eos_token_id, model.config.pad_token_id) == (0, 1, 2)
    text = "Four score and seven years ago our fathers brought forth"
    inputs = tokenizer(text, return_tensors="pt")
    assert float(model(**inputs, labels=inputs["input_ids"]).loss) < 5.0  # a new model has log(300) = 5.7
    metrics = [json.loads(line) for line in (finished / "runs/tiny/metrics.jsonl").read_text().splitlines()]
    assert [m["step"] for m in metrics] == [10, 20, 20, 30, 40, 40]
    result = json.loads((finished / "runs/tiny/evaluation/results.json").read_text())
    last = [m for m in metrics if "held_out_bits_per_byte" in m][-1]
    assert result["held_out"]["bits_per_byte"] == pytest.approx(last["held_out_bits_per_byte"], rel=0.1)


def test_a_second_run_does_nothing(copy: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in copy.glob("runs/tiny/*/*") if p.is_file() and p.name != "README.md"}
    out, _ = pretrain(copy, "run", "tiny.yaml")
    assert out.count("up to date") == 6
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_only_what_depends_on_a_change_runs_again(copy: Path) -> None:
    out, _ = pretrain(copy, "run", "tiny.yaml", "evaluation.samples.max_new_tokens=4", "corpus.executor.workers=2")
    assert out.count("up to date") == 5 and "evaluate   up to date" not in out
    # One blank line more in a file: the corpus runs again, gives the same bytes, and nothing after it runs.
    (copy / "texts" / "a.txt").write_text((copy / "texts" / "a.txt").read_text() + "\n")
    out, _ = pretrain(copy, "run", "tiny.yaml", "evaluation.samples.max_new_tokens=4")
    assert "corpus     up to date" not in out and out.count("up to date") == 5


def test_another_training_never_overwrites_checkpoints(copy: Path) -> None:
    before = results(copy / "runs" / "tiny")
    _, err = pretrain(copy, "run", "tiny.yaml", "training.optimizer.learning_rate=2e-2", status=2)
    assert "training.optimizer.learning_rate: 0.01 in the checkpoint, 0.02 now" in err and "Traceback" not in err
    assert results(copy / "runs" / "tiny") == before
    assert "learning_rate: 0.01" in (copy / "runs" / "tiny" / "recipe.yaml").read_text()


def test_a_stage_with_a_missing_or_changed_file_is_not_up_to_date(copy: Path) -> None:
    before = results(copy / "runs" / "tiny")
    next((copy / "runs" / "tiny" / "corpus").glob("train-*.parquet")).unlink()
    (copy / "runs" / "tiny" / "tokenizer" / "tokenizer.json").write_text("{}")
    _, err = pretrain(copy, "train", "tiny.yaml", "seed=7", status=2)
    assert "runs/tiny/corpus is damaged (train-00000-of-00001.parquet is missing); run `pretrain corpus" in err
    out, _ = pretrain(copy, "run", "tiny.yaml")
    assert out.count("up to date") == 4
    assert results(copy / "runs" / "tiny") == before


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_training_saves_and_the_next_run_goes_on(
    finished: Path, workplace: Path, number: signal.Signals, status: int
) -> None:
    run = workplace / "runs" / "tiny"
    for _ in range(3):
        shutil.rmtree(run, ignore_errors=True)
        for stage in ("corpus", "tokenizer", "tokens", "batches"):
            shutil.copytree(finished / "runs" / "tiny" / stage, run / stage)
        process = start(workplace, "run", "tiny.yaml")
        for _ in range(2400):
            if list((run / "checkpoints").glob("step-*")):
                break
            time.sleep(0.02)
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
        if process.returncode:  # 35 steps are a second: on a busy machine the signal may come when all is done
            break
    assert process.returncode == status and "Traceback" not in err, err
    assert not (workplace / "runs" / "tiny" / "model").exists()
    out, _ = pretrain(workplace, "run", "tiny.yaml")
    assert "going on from step" in out
    assert results(workplace / "runs" / "tiny") == results(finished / "runs" / "tiny")


@pytest.mark.parametrize("attempt", range(2))
def test_killed_anywhere_it_ends_the_same(finished: Path, workplace: Path, attempt: int) -> None:
    moment = random.Random(attempt)
    for _ in range(3):
        process = start(workplace, "run", "tiny.yaml")
        time.sleep(moment.uniform(0.3, 9.0))
        kill_all(process)
    pretrain(workplace, "run", "tiny.yaml")
    assert results(workplace / "runs" / "tiny") == results(finished / "runs" / "tiny")


def test_divergence_stops_and_saves_nothing(workplace: Path) -> None:
    overrides = ["training.optimizer.learning_rate=1e30", "training.schedule.warmup.steps=0"]
    _, err = pretrain(workplace, "run", "tiny.yaml", *overrides, status=1)
    assert "nothing of it is saved" in err and "Lower training.optimizer.learning_rate" in err
    assert "Traceback" not in err and not (workplace / "runs" / "tiny" / "model").exists()


def test_two_commands_in_one_folder(copy: Path) -> None:
    from pretraining.manifests import run_lock

    with run_lock(copy / "runs" / "tiny"):
        _, err = pretrain(copy, "run", "tiny.yaml", status=2)
    assert "in use by another command" in err


def test_single_stages_name_what_is_missing(workplace: Path) -> None:
    _, err = pretrain(workplace, "train", "tiny.yaml", status=2)
    assert "runs/tiny/corpus is missing; run `pretrain corpus tiny.yaml` first" in err
    out, _ = pretrain(workplace, "corpus", "tiny.yaml")
    assert "200 of 202 documents kept (2 removed)" in out


@pytest.mark.parametrize("ranks", [1, 2])
def test_replay_shows_what_the_loader_of_the_training_gives(
    finished: Path, monkeypatch: pytest.MonkeyPatch, ranks: int
) -> None:
    from pretraining.batching.loader import batch_digest
    from pretraining.batching.plan import load_plan
    from pretraining.recipe.loading import load_recipe
    from pretraining.tokenization.store import TokenStore
    from pretraining.training.data import TrainingData
    from pretraining.training.job import Job

    monkeypatch.chdir(finished)
    loaded, run = load_recipe("tiny.yaml"), Path("runs/tiny")
    recipe, timeline = loaded.recipe, loaded.timeline
    assert timeline is not None
    job = Job(run, recipe.seed, recipe.batches, recipe.objective, recipe.model, recipe.training)
    data = TrainingData(job, TokenStore(run / "tokens"), load_plan(run / "batches"), timeline, [list])
    loaders = [iter(data.loader(first_step=29, rank=rank, ranks=ranks, pin_memory=False)) for rank in range(ranks)]
    samples = [sample for loader in loaders for _ in range(2 // ranks) for sample in next(loader)]
    out, _ = pretrain(finished, "replay", "tiny.yaml", "--step", "30", "--ranks", str(ranks), "--json")
    replayed = json.loads(out)
    assert replayed["digest"] == batch_digest(samples) and replayed["steps"] == 40
    by_rank = sorted(replayed["samples"], key=lambda sample: (sample["rank"], sample["index"]))
    assert [sample["index"] for sample in by_rank] == [sample["index"] for sample in samples]


FURTHER = """\
extends: tiny.yaml
name: further
tokenizer: {algorithm: pretrained, name_or_path: runs/tiny/model, vocab_size: null}
model: {name_or_path: runs/tiny/model}
training: {duration: {steps: 20}, evaluate_every: {steps: 1}, optimizer: {learning_rate: 1e-3}}
"""


def test_a_run_goes_on_from_the_weights_of_another(copy: Path) -> None:
    (copy / "further.yaml").write_text(FURTHER)
    out, _ = pretrain(copy, "run", "further.yaml")
    assert "weights to start from: runs/tiny/model\n" in out
    metrics = [json.loads(line) for line in (copy / "runs/further/metrics.jsonl").read_text().splitlines()]
    before = [json.loads(line) for line in (copy / "runs/tiny/metrics.jsonl").read_text().splitlines()]
    first, last = metrics[0]["held_out_loss"], [m for m in before if "held_out_loss" in m][-1]["held_out_loss"]
    assert first == pytest.approx(last, abs=0.05)  # after one step of warm-up; a new model has log(300) = 5.7
    out, _ = pretrain(copy, "run", "further.yaml")
    assert out.count("up to date") == 6
    weights = copy / "runs/tiny/model/model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[-1] ^= 1
    weights.write_bytes(changed)
    _, error = pretrain(copy, "train", "further.yaml", status=2)
    assert (
        "belongs to another training:\n  model.name_or_path: " in error
    )  # other weights to start from are another training


def test_replay_finds_a_document_at_the_steps_that_are_done(finished: Path) -> None:
    out, _ = pretrain(finished, "replay", "tiny.yaml", "--grep", "a.txt:7", "--json")
    traces = json.loads(out)
    steps = [sighting["step"] for sighting in traces[0]["sightings"]]
    assert steps == sorted(steps) and 1 <= steps[0] <= steps[-1] <= 40
    assert all(sighting["seen"] for trace in traces for sighting in trace["sightings"])
