"""The evaluation stage: everything that is measured on the finished model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import DataError
from pretraining.evaluation.config import EvaluationSection

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def evaluate_model(
    section: EvaluationSection,
    *,
    model_folder: Path,
    corpus_folder: Path,
    output: Path,
    sequence_length: int,
    progress: bool = True,
) -> dict[str, Any]:
    """Measure the model of ``model_folder`` on the held-out documents of ``corpus_folder``.

    Args:
        section: the ``evaluation`` section.
        output: folder that ``results.json`` is written to.
        sequence_length: tokens of a training row; the window where the section names none.
        progress: show a progress bar on stderr.

    Returns:
        What ``results.json`` holds: ``held_out``, ``yardsticks`` and ``samples``.

    Raises:
        DataError: there is no model, or no held-out text.
    """
    from pretraining.evaluation import perplexity
    from pretraining.evaluation.documents import encode, held_out_texts
    from pretraining.evaluation.samples import write_samples
    from pretraining.evaluation.yardsticks import yardsticks

    held_out = held_out_texts(corpus_folder)
    model, tokenizer = load(model_folder)
    documents = encode(tokenizer, held_out)
    window = section.window or sequence_length
    score = perplexity.score(
        model,
        documents,
        window=window,
        stride=section.stride or max(1, window // 2),
        batch_size=section.batch_size,
        progress=progress,
    )
    results = {
        "held_out": _as_dict(score),
        "yardsticks": yardsticks(corpus_folder, held_out, documents, tokenizer) if section.yardsticks else [],
        "samples": write_samples(model, tokenizer, section.samples),
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return results


def load(model_folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model, in evaluation mode on the best device that there is, and its tokenizer; no code of theirs is run.

    Raises:
        DataError: the folder does not hold a model.
    """
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (model_folder / "config.json").is_file():
        raise DataError(f"{model_folder} holds no model (no config.json); run `pretrain train` first")
    transformers.utils.logging.disable_progress_bar()  # loading is a matter of moments; one line per stage is enough
    model: Any = AutoModelForCausalLM.from_pretrained(model_folder, local_files_only=True, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(model_folder, local_files_only=True, trust_remote_code=False)
    model.eval()
    return model.to(_device()), tokenizer


def _device() -> torch.device:
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _as_dict(score: Any) -> dict[str, Any]:
    names = ("documents", "bytes", "words", "tokens", "nll")
    figures = ("bits_per_byte", "token_perplexity", "word_perplexity", "window", "stride")
    values = {name: getattr(score, name) for name in names + figures}
    # JSON has no infinity: a figure that no float holds (words of a language without spaces) is null.
    return {name: None if value == math.inf else value for name, value in values.items()}
