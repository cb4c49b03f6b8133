"""The rules about the step ``augment``."""

from __future__ import annotations

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


RULES = [
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
