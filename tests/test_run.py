"""What the stages ask of a recipe."""

from __future__ import annotations

from pathlib import Path

from pretraining.recipe.loading import load_recipe
from pretraining.run import Run

RECIPE = """\
name: small
corpus: {sources: [{type: text, path: a.txt}]}
tokenizer: {vocab_size: 300}
batches: {sequence_length: 32}
model: {architecture: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2}
training: {duration: {steps: 2}, batch_tokens: 128, micro_batch_size: 4}
"""


def test_a_key_that_is_left_out_is_none(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(RECIPE)
    (tmp_path / "a.txt").write_text("text " * 400)
    run = Run(load_recipe(tmp_path / "small.yaml"), tmp_path / "run")
    section = run.section("seed", "training.evaluate_every", "training.evaluation_rows", "model")
    assert section["training.evaluate_every"] is None and section["training.evaluation_rows"] > 0
    assert section["model"]["architecture"] == "llama" and run.start_weights() is None
