"""Text that the model writes, the same at every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pretraining.errors import DataError
from pretraining.evaluation.config import SamplesSection
from pretraining.evaluation.documents import context_token
from pretraining.modeling.architectures import POSITION_KEYS

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SEED = 1234


def write_samples(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, section: SamplesSection
) -> list[dict[str, str]]:
    """One ``{"prompt", "text"}`` per prompt; ``text`` is what follows the prompt, up to EOS, ``max_new_tokens``,
    or the last position of the model (GPT-2's table, MPT's ``max_seq_len``).

    Each sample has a fixed seed of its own and leaves torch's generators as they were.

    Raises:
        DataError: a prompt fills all the positions of the model, or is empty and the tokenizer has no BOS or EOS.
    """
    samples = []
    for number, prompt in enumerate(section.prompts):
        with torch.random.fork_rng():
            torch.manual_seed(SEED + number)
            samples.append({"prompt": prompt, "text": _continue(model, tokenizer, prompt, section)})
    return samples


def _continue(model: Any, tokenizer: PreTrainedTokenizerBase, prompt: str, section: SamplesSection) -> str:
    context = context_token(tokenizer)
    ids = ([] if context is None else [context]) + tokenizer(prompt, add_special_tokens=False)["input_ids"]
    if not ids:
        raise DataError("evaluation.samples.prompts: an empty prompt needs a tokenizer with a BOS or EOS token")
    known = (getattr(model.config, key, None) or 0 for key in POSITION_KEYS)
    positions = next((each for each in known if each > 0), len(ids) + section.max_new_tokens)  # XLNet says -1
    if len(ids) >= positions:
        raise DataError(
            f"evaluation.samples.prompts: {prompt[:40]!r}... takes {len(ids)} tokens "
            f"and the model has {positions} positions; shorten the prompt"
        )
    inputs = torch.tensor([ids], device=model.device)
    output = model.generate(
        inputs,
        attention_mask=torch.ones_like(inputs),
        generation_config=_generation_config(tokenizer, section, min(section.max_new_tokens, positions - len(ids))),
    )
    return str(tokenizer.decode(output[0, len(ids) :], skip_special_tokens=True))


def _generation_config(tokenizer: PreTrainedTokenizerBase, section: SamplesSection, new_tokens: int) -> Any:
    """The section's choices; ``generate`` takes what is left open from the model's own generation_config.json."""
    import transformers

    make: Any = transformers.GenerationConfig
    choice: dict[str, Any] = {"do_sample": section.temperature > 0}
    if section.temperature > 0:
        choice |= {"temperature": section.temperature, "top_k": section.top_k, "top_p": 1.0}
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return make(max_new_tokens=new_tokens, eos_token_id=tokenizer.eos_token_id, pad_token_id=padding, **choice)
