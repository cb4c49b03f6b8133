"""From the ``tokenizer`` section and the corpus to a tokenizer of transformers, and to its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import DataError
from pretraining.tokenization.alphabet import Alphabet, find_alphabet
from pretraining.tokenization.components import normalization, normalizing, post_processor
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.sampling import TrainingSample
from pretraining.tokenization.special import SpecialTokens, special_tokens_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast


def train_tokenizer(
    section: TokenizerSection,
    corpus: Path,
    *,
    special_tokens: Sequence[str] = (),
    roles: Sequence[str] = (),
    sample: TrainingSample | None = None,
    base: Path = Path(),
    progress: bool = False,
) -> PreTrainedTokenizerFast:
    """Train a tokenizer on the training documents of a corpus folder, or load the one that the recipe names.

    The same documents give the same tokenizer, in whatever order and files they lie and however many threads there
    are. The vocabulary begins with the special tokens: those with names, those of the objective, those of the recipe.

    Args:
        corpus: the corpus folder; the text is streamed, and ``tokenizer.sample`` says how much of it is read.
        special_tokens: strings that the objective needs as single ids.
        roles: named tokens that it needs, such as ``mask_token``.
        sample: what is read of the corpus, for those who want its ``facts`` afterwards; made here when left out.
        base: folder that a relative ``tokenizer.name_or_path`` starts from.

    Raises:
        DataError: there is no text, special tokens collide, the alphabet does not fit into the vocabulary, or a
            pretrained tokenizer is not there or lacks a token.
    """
    from transformers import PreTrainedTokenizerFast

    if section.algorithm == "pretrained":
        from pretraining.tokenization.pretrained import load_pretrained

        return load_pretrained(section, base=base, special_tokens=special_tokens, roles=roles)
    tokens = special_tokens_of(section, special_tokens, roles)
    backend = _train(section, tokens.all, sample or TrainingSample(section.sample, corpus), progress)
    if (after := post_processor(section, tokens.named, backend.get_vocab())) is not None:
        backend.post_processor = after
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, clean_up_tokenization_spaces=False, **tokens.named, **_attributes(section, tokens)
    )


def write_tokenizer(
    section: TokenizerSection, corpus: Path, output: Path, *, warn: Callable[[str], None], **more: Any
) -> str:
    """Train a tokenizer, or load one, and write its files into the folder ``output``; what was read into
    ``sample.json``.

    Args:
        warn: is called with what is worth saying and no error: fewer tokens than were asked for.
        more: the further arguments of ``train_tokenizer``.

    Returns:
        one line about the tokenizer.
    """
    sample = None if section.algorithm == "pretrained" else TrainingSample(section.sample, corpus)
    tokenizer = train_tokenizer(section, corpus, sample=sample, **more)
    save_tokenizer(tokenizer, output)
    if (short := shortage(section, tokenizer)) is not None:
        warn(short)
    line = f"{section.algorithm}, {len(tokenizer):,} tokens"
    if sample is None:
        return line
    facts = sample.facts()
    (output / "sample.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return f"{line}, trained on {facts['read_bytes'] / 1e6:.2f} MB"


def _attributes(section: TokenizerSection, tokens: SpecialTokens) -> dict[str, Any]:
    """What ``PreTrainedTokenizerFast`` is told besides the named tokens, where it is not the default."""
    found: dict[str, Any] = {}
    if tokens.others:
        found["extra_special_tokens"] = tokens.others
    if section.template != "bos_eos":
        found["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    if section.template == "xlnet":  # the class token is the last one, so padding goes before the text
        found["padding_side"] = "left"
    if section.model_max_length is not None:
        found["model_max_length"] = section.model_max_length
    return found


def _train(section: TokenizerSection, specials: list[str], sample: TrainingSample, progress: bool) -> Tokenizer:
    from pretraining.tokenization import bpe, unigram

    if section.pre_tokenizer == "byte_level":
        _require_room(section, len(specials) + 256, "the special tokens and the 256 bytes")
        return bpe.train_byte_level(section, specials, sample.texts(), progress=progress)
    normalize = normalizing(normalization(section))
    alphabet = find_alphabet(sample.texts(), section.character_coverage, normalize)
    _require_alphabet(section, specials, alphabet)
    if section.algorithm == "unigram":
        return unigram.train_unigram(section, specials, alphabet, sample.texts(), progress=progress)
    if section.algorithm == "wordpiece":
        return bpe.train_wordpiece(section, specials, alphabet, sample.texts(), progress=progress)
    return bpe.train_metaspace(section, specials, alphabet, sample.texts(), progress=progress)


def _require_room(section: TokenizerSection, fixed: int, what: str) -> None:
    if fixed > (section.target_size or 0):
        raise DataError(
            f"tokenizer.vocab_size = {section.target_size or 0:,}: {what} alone are {fixed:,} tokens; "
            f"set it to more than {fixed:_}"
        )


def _require_alphabet(section: TokenizerSection, specials: list[str], alphabet: Alphabet) -> None:
    """Raise if the characters fill the vocabulary: the trainers put all of them in, however many there are."""
    from pretraining.tokenization.bpe import BYTES, inside_words

    fixed = len(specials) + (len(BYTES) if section.byte_fallback else 0)
    _require_room(section, fixed, "the special tokens" + (" and the 256 bytes" if section.byte_fallback else ""))
    characters = len(alphabet.characters)
    pieces = characters + (len(inside_words(section, alphabet)) if section.algorithm == "wordpiece" else 0)
    room = (section.target_size or 0) - fixed
    if pieces > room:
        share = alphabet.coverage(max(1, room * characters // (2 * pieces)))
        raise DataError(
            f"tokenizer.vocab_size = {section.target_size or 0:,} leaves {room:,} places, but the alphabet takes "
            f"{pieces:,}: the text has {characters:,} different characters at tokenizer.character_coverage = "
            f"{section.character_coverage}. Set vocab_size to {2 * pieces + fixed:_} or so, or character_coverage to "
            f"{max(0.0001, int(share * 10_000) / 10_000)}, which leaves half of the places to longer tokens."
        )


def shortage(section: TokenizerSection, tokenizer: PreTrainedTokenizerFast) -> str | None:
    """What to say of a tokenizer with fewer tokens than were asked for; None where it has them all.

    It is not an error: the model keeps the rows of ``vocab_size``, and those without a token are never used.
    """
    asked, reached = section.target_size, len(tokenizer)
    if asked is None or reached >= asked:
        return None
    least = "" if section.algorithm == "unigram" else f" (pairs seen at least {section.min_frequency} times)"
    return (
        f"tokenizer.vocab_size = {asked:,}: the training text only supports {reached:,} tokens{least}. The model keeps "
        f"{asked - reached:,} rows that are never used; set tokenizer.vocab_size to {reached:_} or less, or add text"
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
