"""The ``augment`` step: texts rewritten by a function of the user's, or by models."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pretraining.corpus.draft import Draft
from pretraining.corpus.removed import is_held_out
from pretraining.corpus.sampling.sample import share_hash
from pretraining.corpus.sections.sampling import ModelPipeline
from pretraining.corpus.step import Preparation, Step
from pretraining.errors import DataError

TRIAL = "We the People of the United States.\nThat is how it starts."
"""What a hook is tried on before any document."""

Rewrite = Callable[[str], str]


class Augment(Step):
    """``augment``: removes nothing (but a text that becomes empty)."""

    edits = ("documents_augmented",)

    def prepare(self, preparation: Preparation) -> None:
        """Load the hook and try it on two lines.

        Raises:
            DataError: it cannot be loaded, raises an error, or returns something else than a text.
        """
        _apply(_load(self.section, preparation.base), TRIAL, self._name(), "a first try")

    def open(self, preparation: Preparation) -> None:
        """Load the hook."""
        self._rewrite = _load(self.section, preparation.base)
        self._held_out = preparation.held_out

    def run(self, draft: Draft) -> Iterator[float]:
        """Rewrite the chosen documents; there is nothing to measure."""
        section = self.section
        if not is_held_out(draft.id, self._held_out) and share_hash(draft.id, section.salt) < section.rate:
            text = _apply(self._rewrite, draft.text, self._name(), f"document {draft.id}")
            if section.mode == "append":
                text = draft.text + section.separator + text
            if text != draft.text:
                draft.text = text
                self.edited = {"documents_augmented": 1}
        yield from ()

    def _name(self) -> str:
        return self.section.callable or "the pipeline"


def _apply(rewrite: Rewrite, text: str, name: str, what: str) -> str:
    try:
        result = rewrite(text)
    except Exception as error:
        raise DataError(f"augment: {name} failed on {what}: {type(error).__name__}: {error}") from error
    if not isinstance(result, str):
        raise DataError(
            f"augment: {name} returned {type(result).__name__} for {what}, not a text (str)\n"
            "    it must take a text and return a text"
        )
    return result


def _load(section: Any, base: Path) -> Rewrite:
    if section.callable is not None:
        return load_callable(section.callable, base)
    stages = [load_pipeline(stage, base) for stage in section.pipeline]

    def rewrite(text: str) -> str:
        for stage in stages:
            text = stage(text)
        return text

    return rewrite


def load_callable(name: str, base: Path) -> Rewrite:
    """The function ``module:function``; the module may lie in ``base``.

    Raises:
        DataError: there is no such module or function.
    """
    module_name, _, function_name = name.partition(":")
    if str(base) not in sys.path:
        sys.path.append(str(base))  # last: a file beside the recipe hides nothing that is installed
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except ImportError as error:
        raise DataError(
            f"augment: `callable: {name}`: {error}\n"
            f"    install the module, or put it at {base / (module_name.replace('.', '/') + '.py')}"
        ) from error
    except AttributeError as error:
        raise DataError(f"augment: `callable: {name}`: the module {module_name} has no {function_name!r}") from error
    except Exception as error:
        raise DataError(
            f"augment: `callable: {name}`: importing {module_name} failed: {type(error).__name__}: {error}"
        ) from error
    if not callable(function):
        raise DataError(f"augment: `callable: {name}` is {type(function).__name__}, which cannot be called")
    return function  # type: ignore[no-any-return]


@lru_cache(maxsize=4)
def load_pipeline(stage: ModelPipeline, base: Path) -> Rewrite:
    """A function that gives each line to the model; blank lines, and lines too long for the model, stay.

    Loaded once in a process.

    Raises:
        DataError: there is no model at the path, or it cannot be loaded for this task.
    """
    path = base / stage.model
    if not (path / "config.json").is_file():
        raise DataError(
            f"augment: a model is expected at {path}, where there is no config.json\n"
            "    put the model and its tokenizer there, as `save_pretrained` writes them"
        )
    import transformers

    kind = "AutoModelForSeq2SeqLM" if stage.task == "text2text-generation" else "AutoModelForCausalLM"
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = getattr(transformers, kind).from_pretrained(path, local_files_only=True).eval()
    except Exception as error:
        raise DataError(
            f"augment: the model at {path} cannot be loaded for {stage.task}: {type(error).__name__}: {error}"
        ) from error
    config = model.config
    longest = min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", None) or sys.maxsize)

    def rewrite_line(line: str) -> str:
        if not line.strip():
            return line
        inputs = tokenizer(stage.prompt.replace("{text}", line), return_tensors="pt", return_token_type_ids=False)
        length = inputs["input_ids"].shape[1]
        decoder_only = stage.task == "text-generation"
        if length + decoder_only * stage.max_new_tokens > longest:
            return line
        output = model.generate(**inputs, max_new_tokens=stage.max_new_tokens, do_sample=False, num_beams=1)[0]
        answer = output[length:] if decoder_only else output
        return " ".join(tokenizer.decode(answer, skip_special_tokens=True).split("\n")).strip()

    return lambda text: "\n".join(map(rewrite_line, text.split("\n")))
