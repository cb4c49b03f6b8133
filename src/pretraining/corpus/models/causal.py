"""Perplexity by a causal model of ``transformers``. torch is imported when the first model is loaded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from pretraining.corpus.draft import utf8_length
from pretraining.corpus.models.perplexity import rounded
from pretraining.errors import DataError
from pretraining.loading import loading


def check_folder(path: str, base: Path) -> Path:
    """The folder of a transformers model: at ``path``, or of that id in the hub's cache. Nothing is downloaded.

    Raises:
        DataError: there is none, or it has no ``config.json``.
    """
    folder = base / Path(path).expanduser()
    if not folder.exists() and path.count("/") == 1:
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(path, "config.json")
        if isinstance(cached, str):
            folder = Path(cached).parent
    if not (folder / "config.json").is_file():
        raise DataError(
            f"there is no transformers model in {folder}: no config.json\n"
            f"    correct the path, or fetch a model of the hub beforehand: hf download {path}"
        )
    try:
        json.loads((folder / "config.json").read_text("utf-8"))
    except ValueError as error:
        raise DataError(f"{folder / 'config.json'} is not JSON: {error}") from error
    return folder


class CausalScorer:
    """A causal model and its tokenizer."""

    def __init__(self, folder: str, window: int, device: str) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        with loading(folder):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype="auto")
            self._model = model.to(device).eval()
        longest = getattr(model.config, "max_position_embeddings", None) or window
        if window > longest:
            raise DataError(f"{folder} takes {longest} tokens at once; lower `window` from {window}")
        first = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        self._first = next((token for token in first if token is not None), None)
        if self._first is None:
            raise DataError(f"the tokenizer in {folder} has neither bos_token nor eos_token to start a text with")
        self._window, self._device = window, device

    def fields(self, text: str) -> dict[str, float]:
        """``perplexity`` per token and ``bits_per_byte``. Every token is predicted once, the first after bos (or eos).

        Windows as the rolling log-likelihood of lm-evaluation-harness with a context of one token.
        """
        tokens = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        if not tokens:
            return {}
        row, nll = [self._first, *tokens], 0.0
        for start in range(0, len(tokens), self._window):
            nll += self._nll(row[start : start + self._window + 1])
        bits = nll / math.log(2) / utf8_length(text)
        return {"perplexity": rounded(math.exp(min(nll / len(tokens), 700.0))), "bits_per_byte": round(bits, 4)}

    def _nll(self, row: list[int]) -> float:
        """Nats of ``row[1:]``, each after those before it."""
        import torch

        with torch.inference_mode():
            ids = torch.tensor([row], device=self._device)
            logits = self._model(input_ids=ids[:, :-1]).logits[0].float()
            return float(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
