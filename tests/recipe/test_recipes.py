"""The mixtures of the recipes come to what they say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pretraining.recipe.loading import LoadedRecipe, load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
LLAMA = {
    "common_crawl": (0.67, 1.0),
    "c4": (0.15, 1.0),
    "github": (0.045, 1.0),
    "wikipedia": (0.045, 2.0),
    "books": (0.045, 2.0),
    "arxiv": (0.025, 1.5),
    "stack_exchange": (0.02, 1.0),
}
"""Share of the tokens, and how often a source may be seen."""


@pytest.fixture
def llama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedRecipe:
    """The recipe with a file for every source."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(RECIPES / "_base", "recipes/_base")
    path = Path(shutil.copytree(RECIPES / "llama", "recipes/llama", ignore=shutil.ignore_patterns("data")))
    for pattern in re.findall(r"path: (data/\S+?),", (path / "llama_7b.yaml").read_text("utf-8")):
        file = path / pattern.replace("*", "0")
        file.parent.mkdir(parents=True)
        file.write_bytes(b"not read")
    return load_recipe(path / "llama_7b.yaml")


def test_llamas_mixture_resolves_to_its_table(llama: LoadedRecipe) -> None:
    found = {source: llama.facts[f"batches.mixture.shares.{source}"][0] for source in LLAMA}
    assert found == {source: share for source, (share, _) in LLAMA.items()}
    mixture = llama.recipe.batches.mixture
    assert mixture is not None and mixture.max_epochs == {source: epochs for source, (_, epochs) in LLAMA.items()}
    assert llama.notes == ("batches.mixture.weights sum to 100, not 1: each is divided by that",)
    total = sum(llama.facts[f"batches.tokens.{source}"][0] for source in LLAMA)
    assert total == llama.facts["training.tokens"][0] == 238_419 * 2**22  # 1.0 T, up to a whole batch
    assert llama.facts["batches.tokens.wikipedia"][0] == pytest.approx(45e9, rel=1e-4)


def test_llamas_sizes_are_the_published_ones(llama: LoadedRecipe) -> None:
    model, training = llama.recipe.model.config_keys, llama.recipe.training
    assert (model["hidden_size"], model["num_hidden_layers"], model["num_attention_heads"]) == (4096, 32, 32)
    assert (model["vocab_size"], model["max_position_embeddings"]) == (32_000, 2048)
    assert llama.facts["training.samples_per_step"][0] == 2048
    optimizer = training.optimizer
    assert (optimizer.type, optimizer.learning_rate, optimizer.beta1, optimizer.beta2) == ("adamw", 3e-4, 0.9, 0.95)
    assert (optimizer.weight_decay, training.max_grad_norm) == (0.1, 1.0)
    assert (training.schedule.type, training.schedule.warmup.steps, training.schedule.min_ratio) == (
        "cosine",
        2000,
        0.1,
    )


def test_the_curriculum_has_three_stages_and_a_growing_batch(tmp_path: Path) -> None:
    loaded = load_recipe(RECIPES / "curriculum" / "speeches_then_code.yaml", runs=tmp_path)
    timeline = loaded.timeline
    assert timeline is not None and timeline.stage_names == ("speeches", "code", "anneal")
    assert {leg.sequence_length for leg in timeline.legs} == {128, 256}
    assert timeline.legs[0].batch_tokens == 2048 and timeline.legs[-1].batch_tokens == 8192
    assert loaded.facts["batches.mixture.shares.sotu"][0] == 0.94
    assert "batches.stages[2].mixture.shares.xml" not in loaded.facts
    assert loaded.recipe.model.config_keys["max_position_embeddings"] == 256
