"""The rules about the step ``augment``."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sections.sampling import AugmentStep, ModelPipeline
from pretraining.section import Finding, Rule


def _stages(corpus: CorpusSection) -> Iterator[tuple[str, ModelPipeline]]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, AugmentStep):
            for j, stage in enumerate(step.pipeline or []):
                yield f"corpus.steps[{i}].pipeline[{j}]", stage


def _augment_model_exists(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for path, stage in _stages(corpus):
        if not (base / stage.model / "config.json").is_file():
            yield Finding(
                f"{path}.model",
                f"there is no model at {base / stage.model}: config.json is not there",
                "put the model and its tokenizer there, as `save_pretrained` writes them",
            )


def _augment_prompt_has_text(corpus: CorpusSection) -> Iterator[Finding]:
    for path, stage in _stages(corpus):
        if "{text}" not in stage.prompt:
            yield Finding(
                f"{path}.prompt",
                "the prompt has no place for the text: the model would answer the same to every line",
                "write {text} where the line belongs",
            )


def _augment_module_found(corpus: CorpusSection, base: Path) -> Iterator[Finding]:
    for i, step in enumerate(corpus.steps):
        if isinstance(step, AugmentStep) and step.callable:
            module = step.callable.partition(":")[0]
            top = module.partition(".")[0]
            beside = base / f"{module.replace('.', '/')}.py"
            if not beside.is_file() and importlib.util.find_spec(top) is None:
                yield Finding(
                    f"corpus.steps[{i}].callable",
                    f"there is no module {module!r}",
                    f"install it, or put it at {beside}",
                )


RULES = [
    Rule(
        "augment_module_found",
        "The module of an `augment` step's function is installed, or lies beside the recipe.",
        "It would be missed only when the build starts.",
        _augment_module_found,
    ),
    Rule(
        "augment_model_exists",
        "The models of an `augment` step are there.",
        "They would be missed only when the build starts.",
        _augment_model_exists,
    ),
    Rule(
        "augment_prompt_has_text",
        "The prompt of an `augment` step has a place for the text.",
        "Otherwise all documents would become the same.",
        _augment_prompt_has_text,
    ),
]
