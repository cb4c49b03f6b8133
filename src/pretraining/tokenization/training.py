"""Train a tokenizer with the ``tokenizers`` library and wrap it for transformers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import DataError
from pretraining.tokenization.config import TokenizerSection

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def train_tokenizer(
    section: TokenizerSection,
    texts: Iterable[str],
    *,
    special_tokens: Sequence[str] = (),
    progress: bool = False,
) -> PreTrainedTokenizerFast:
    """Train byte-level BPE on ``texts``; the same texts in the same order give the same tokenizer.

    The vocabulary starts with BOS, EOS, PAD and ``special_tokens`` (those that the objective needs), then all
    256 bytes, then the merges. ``tokenizer(text)`` puts BOS in front, as Llama does; EOS is written by the
    token store.

    Args:
        texts: the training documents; they are streamed, only word counts are kept.
        special_tokens: further single-id tokens.

    Raises:
        DataError: two special tokens are the same, or there is too little text for the vocabulary.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials = [section.bos_token, section.eos_token, section.pad_token, *special_tokens]
    if len(set(specials)) < len(specials):
        raise DataError(f"special tokens must differ from each other, but they are {specials}")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
        if section.split_digits
        else byte_level
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=section.vocab_size,
        min_frequency=section.min_frequency,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=progress,
    )
    tokenizer.train_from_iterator(texts, trainer)
    size = tokenizer.get_vocab_size()
    if size < section.vocab_size:
        raise DataError(
            f"tokenizer.vocab_size = {section.vocab_size}: the training text only supports {size} tokens "
            f"(pairs seen at least {section.min_frequency} times). Set tokenizer.vocab_size to {size} or less, "
            "or add text."
        )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{section.bos_token} $A",
        pair=f"{section.bos_token} $A {section.bos_token} $B",
        special_tokens=[(section.bos_token, tokenizer.token_to_id(section.bos_token))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=section.bos_token,
        eos_token=section.eos_token,
        pad_token=section.pad_token,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the tokenizer's files so that transformers 4 and 5 load them with ``AutoTokenizer``.

    transformers 5 names its own base class ``TokenizersBackend``, which version 4 does not know; both know
    ``PreTrainedTokenizerFast``.
    """
    tokenizer.save_pretrained(str(folder))
    path = folder / "tokenizer_config.json"
    config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
