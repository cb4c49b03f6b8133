"""A published folder as the model that was trained, with its head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pretraining.errors import DataError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

UNTRAINED = "pooler."
"""Weights that a bare encoder has when it is loaded and that none of our objectives trains or reads."""


def load(model_folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model, in evaluation mode on the best device that there is, and its tokenizer; no code of theirs is run.

    The class is the one that ``config.json`` names.

    Raises:
        DataError: the folder does not hold a model of transformers with all its weights.
    """
    import transformers

    transformers.utils.logging.disable_progress_bar()  # loading is a matter of moments; one line per stage is enough
    transformers.utils.logging.set_verbosity_error()  # missing weights are told below
    model, about = getattr(transformers, _class_name(model_folder)).from_pretrained(
        model_folder, local_files_only=True, trust_remote_code=False, output_loading_info=True
    )
    missing = sorted(key for key in about["missing_keys"] if not key.startswith(UNTRAINED))
    if missing:
        raise DataError(
            f"{model_folder} lacks weights, which would be random: {', '.join(missing)}; run `pretrain train` again"
        )
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_folder, local_files_only=True, trust_remote_code=False)
    model.eval()
    return model.to(_device()), tokenizer


def _class_name(model_folder: Path) -> str:
    path = model_folder / "config.json"
    if not path.is_file():
        raise DataError(f"{model_folder} holds no model (no config.json); run `pretrain train` first")
    names = json.loads(path.read_text("utf-8")).get("architectures") or []
    if not names:
        raise DataError(f"{path} does not name the class of the model (`architectures`); run `pretrain train` again")
    return str(names[0])


def _device() -> torch.device:
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
