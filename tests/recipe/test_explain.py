"""The recipe as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pretraining.recipe.explain import diff, explain, recipes, schema
from pretraining.recipe.loading import load_recipe

Write = Callable[[str, str], Path]


def test_explain_shows_value_origin_and_help(tiny: Path) -> None:
    loaded = load_recipe(tiny, ["batches.sequence_length=32"])
    lines = [" ".join(line.split()) for line in explain(loaded).splitlines()]
    at = lines.index("batches.sequence_length = 32 # command line")
    assert lines[at + 1] == "Tokens of one sample."
    at = lines.index("training.duration.steps = 100 # tiny.yaml:12")
    assert lines[at + 1] == "How long to train; the sum of `batches.stages` when left out."
    assert "evaluation.window = 32 # derived: batches.sequence_length" in lines
    assert "training.samples_per_step = 32 # = training.batch_tokens / a sample of 32" in lines
    assert "tokenizer: The tokenizer that is trained on the corpus." in lines
    keys = [line.split(" = ")[0] for line in lines if " = " in line]
    assert set(loaded.origins) <= set(keys)


def test_explain_says_what_a_mixture_comes_to(tiny: Path) -> None:
    text = explain(load_recipe(tiny, ["batches.mixture.weights={text: 4}"]))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "batches.mixture.shares.text = 1.0 # = weight / sum of the weights" in lines
    assert "batches.tokens.text = 102_400 # = 1 of the tokens" in lines
    assert any(line.startswith("batches.epochs.text = 25.6 # = tokens / 4,000 bytes of its files") for line in lines)
    assert "note: batches.mixture.weights sum to 4, not 1: each is divided by that" in lines


def test_diff_shows_only_what_differs(tiny: Path) -> None:
    text = diff(load_recipe(tiny), load_recipe(tiny, ["training.duration.tokens=4096", "seed=1"]))
    assert text.splitlines()[3:] == [
        "seed",
        "  - 0  # default",
        "  + 1  # command line",
        "training.duration.steps",
        "  - 100  # tiny.yaml:12",
        "  + (not set)",
        "training.duration.tokens",
        "  - (not set)",
        "  + 4_096  # command line",
    ]


def test_a_ramp_is_explained_compared_and_completed(tiny: Path) -> None:
    ramp = load_recipe(tiny, ["training.batch_tokens={from: 512, to: 1024, over: {tokens: 9000}}"])
    lines = [" ".join(line.split()) for line in explain(ramp).splitlines()]
    at = lines.index("training.batch_tokens.from = 512 # command line")
    assert lines[at + 1] == "Tokens of the first batch; every later one is a multiple of it."
    assert "  + 512  # command line" in diff(load_recipe(tiny), ramp).splitlines()
    properties = schema()["$defs"]["BatchRamp"]["properties"]
    assert list(properties) == ["from", "to", "over"] and properties["from"]["description"].startswith("Tokens of")


def test_diff_of_equal_recipes(tiny: Path) -> None:
    assert diff(load_recipe(tiny), load_recipe(tiny)).endswith("the two recipes have the same values")


def test_schema_is_for_editors() -> None:
    data = schema()
    assert {"extends", "name", "corpus", "training"} <= set(data["properties"])
    assert "required" not in data  # a file may extend another
    assert "required" not in data["$defs"]["TrainingSection"]
    assert data["$defs"]["TextSource"]["required"] == ["type", "path"]
    assert data["$defs"]["BatchesSection"]["properties"]["sequence_length"]["description"] == "Tokens of one sample."
    assert data["$defs"]["BatchesSection"]["additionalProperties"] is False
    assert data["$defs"]["ModelSection"]["additionalProperties"] is True


def test_recipes_are_listed_with_their_first_comment(write: Write) -> None:
    write("recipes/quickstart/llama.yaml", "# A Llama in five minutes\nname: x\n")
    write("recipes/other.yaml", "name: y\n# later\n")
    write("recipes/_base/llama.yaml", "# never listed\n")
    assert recipes(Path("recipes")) == [
        (Path("recipes/other.yaml"), ""),
        (Path("recipes/quickstart/llama.yaml"), "A Llama in five minutes"),
    ]
