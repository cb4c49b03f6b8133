"""From a path to a recipe."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pretraining.errors import Problem, RecipeError
from pretraining.recipe.loading import load_recipe

Write = Callable[[str, str], Path]


def test_a_right_recipe(tiny: Path) -> None:
    loaded = load_recipe(tiny, ["seed=7"])
    assert loaded.recipe.seed == 7
    assert loaded.recipe.model.config_keys["vocab_size"] == 512
    assert loaded.recipe.evaluation.window == 64
    assert (loaded.path, loaded.base) == (Path("tiny.yaml"), Path())
    assert loaded.facts["training.steps"][0] == 100


def test_every_value_knows_where_it_came_from(write: Write, tiny: Path) -> None:
    text = tiny.read_text(encoding="utf-8").replace("intermediate_size", "n_inner")
    write("base.yaml", text)
    path = write("sub/b.yaml", "extends: ../base.yaml\nname: b\ncorpus: {sources: [{type: text, path: ../text.txt}]}\n")
    loaded = load_recipe(path, ["model.architecture=gpt2"])
    origins = {key: str(origin) for key, origin in loaded.origins.items()}
    assert origins["name"] == "sub/b.yaml:2"
    assert origins["model.architecture"] == "command line"
    assert origins["model.n_inner"] == "base.yaml:8"
    assert origins["model.n_embd"] == "base.yaml:7 (written as model.hidden_size)"
    assert origins["model.n_positions"] == "derived: batches.sequence_length"
    assert origins["training.duration.steps"] == "base.yaml:12"
    assert origins["training.optimizer.beta1"] == "default"
    assert origins["corpus.sources[0].path"] == "sub/b.yaml:3"
    assert origins["training.trackers"] == "default"


def test_a_map_that_comes_with_the_weights_says_so(write: Write, tiny: Path) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    saved = {"model_type": "llama", **sizes, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}
    write("weights/config.json", json.dumps(saved))
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (tiny.parent / "weights" / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    write("weights/tokenizer.json", '{"model": {"vocab": {}}, "added_tokens": [{"content": "</s>", "id": 0}]}')
    write("weights/tokenizer_config.json", '{"eos_token": "</s>", "pad_token": "</s>"}')
    tokenizer = "tokenizer={algorithm: pretrained, name_or_path: weights, vocab_size: null}"
    loaded = load_recipe(tiny, [tokenizer, "model={architecture: llama, name_or_path: weights}"])
    assert str(loaded.origins["model.rope_parameters.rope_theta"]) == "derived: config.json of model.name_or_path"


def test_all_problems_come_at_once_in_the_order_of_the_file(
    write: Write, problems: Callable[..., list[Problem]]
) -> None:
    path = write(
        "bad.yaml",
        """\
        name: bad
        sed: 1
        corpus: {sources: [{type: text, path: missing.txt}]}
        batches: {sequence_length: 64}
        model:
          architecture: llama
          hidden_sise: 32
          bos_token_id: 1
        training:
          duration: {steps: 10}
          duration: {steps: 11}
          batch_tokens: 1_000
          schedule: {warmup: {steps: 20}}
        publishing: {license: 3}
        """,
    )
    found = [(problem.where, problem.rule) for problem in problems(path, "x", "evaluation.stride=no")]
    assert found == [
        ("bad.yaml:2", "unknown_key"),
        ("bad.yaml:3", "source_exists"),
        ("bad.yaml:7", "model_key_known"),
        ("bad.yaml:8", "special_ids_from_tokenizer"),
        ("bad.yaml:11", "duplicate_key"),
        ("bad.yaml:12", "batch_divisible"),
        ("bad.yaml:13", "warmup_and_decay_within_horizon"),
        ("bad.yaml:14", "wrong_type"),
        ("command line", "malformed_override"),
        ("command line", "wrong_type"),
    ]


def test_the_resolved_recipe_is_a_recipe_with_the_same_values(tiny: Path, write: Write) -> None:
    overrides = ["model.num_key_value_heads=null", "training.evaluate_every={steps: 5}", "publishing.description='1e3'"]
    loaded = load_recipe(tiny, overrides)
    resolved = loaded.resolved()
    assert resolved["model"]["num_key_value_heads"] is None  # type: ignore[index]
    assert resolved["training"]["duration"] == {"steps": 100}  # type: ignore[index]
    assert "license" not in resolved["publishing"]  # type: ignore[operator]
    assert json.loads(json.dumps(resolved)) == resolved
    again = load_recipe(write("again.yaml", loaded.to_yaml()))
    assert again.recipe == loaded.recipe
    assert again.to_yaml() == loaded.to_yaml()


def test_a_ramp_is_written_with_the_words_of_the_recipe(tiny: Path, write: Write) -> None:
    """``from`` is a word of Python, so the code has another; no file shows that."""
    ramp = "training.batch_tokens={from: 512, to: 1024, over: {tokens: 9000}}"
    loaded = load_recipe(tiny, [ramp, "training.batch_tokens.to=2048"])
    assert loaded.resolved()["training"]["batch_tokens"] == {"from": 512, "to": 2048, "over": {"tokens": 9000}}  # type: ignore[index]
    assert str(loaded.origins["training.batch_tokens.from"]) == "command line"
    again = load_recipe(write("again.yaml", loaded.to_yaml()))
    assert again.recipe == loaded.recipe and again.to_yaml() == loaded.to_yaml()
    number = load_recipe(write("again.yaml", loaded.to_yaml()), ["training.batch_tokens=1024"])
    assert number.recipe.training.batch_tokens == 1024


def test_ranks_reach_the_rules(tiny: Path, problems: Callable[..., list[Problem]]) -> None:
    assert load_recipe(tiny, ranks=2).facts["training.micro_batches"][0] == 1
    (problem,) = problems(tiny, ranks=3)
    assert problem.rule == "batch_divisible"


def test_an_exact_plan_makes_epochs_countable(tiny: Path) -> None:
    Path("runs/tiny/batches").mkdir(parents=True)
    stream = {"source": None, "sequence_length": 64, "row_length": 64, "samples": 160, "tokens": 10_000}
    plan = {"left_out": {}, "streams": [stream]}
    Path("runs/tiny/batches/plan.json").write_text(json.dumps(plan), encoding="utf-8")
    assert load_recipe(tiny, ["training.duration.epochs=2"]).facts["training.steps"][0] == 20


def test_a_missing_file_is_a_recipe_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match="there is no such file"):
        load_recipe("missing.yaml")


def test_loading_imports_nothing_heavy(tiny: Path) -> None:
    heavy = {"torch", "transformers", "datatrove", "numpy", "datasets", "pyarrow", "tokenizers", "huggingface_hub"}
    load = f"from pretraining.recipe.loading import load_recipe; load_recipe({str(tiny)!r})"
    code = f"import sys; {load}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()
