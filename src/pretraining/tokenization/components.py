"""What stands around the model of a tokenizer: normalizer, pre-tokenizer, decoder, post-processor.

``byte_level``  text ── words of the pattern ── bytes as characters (Ġ is a blank)                     lossless
``metaspace``   text ── escapes, " " in front ── words of the pattern, ▁ for each blank ── model       lossless
``bert``        text ── BERT's cleaning ── words, marks, Chinese characters one by one; blanks are not kept

Metaspace is lossless as far as the alphabet, or the fallback to bytes, goes. SentencePiece's own loses a literal ▁
(it comes back as a blank) and, with the blank in front, the difference between "a" and " a"; here ▁ is escaped, and
the blank is put before every text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pretraining.tokenization.config import TokenizerSection

if TYPE_CHECKING:
    from tokenizers import decoders, normalizers, pre_tokenizers, processors

PATTERNS = {
    # As tokenizers' ByteLevel has it built in, from GPT-2's encoder.
    "gpt2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    # From the tokenizer.json of Llama 3, which has it from GPT-4's cl100k_base.
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
}
META = "▁"
"""Stands for a blank in the tokens of ``metaspace``."""
ESCAPE = "\ue000"
"""Before 1 it is a literal ▁, before 0 itself: a character for private use, which texts hardly have."""


def normalization(section: TokenizerSection) -> normalizers.Normalizer | None:
    """The normalizer that the recipe asks for, without what the pre-tokenizer needs besides; None for the text as it
    is."""
    from tokenizers import normalizers

    steps: list[normalizers.Normalizer] = []
    if section.normalization is not None:
        steps.append(normalizers.NFC() if section.normalization == "nfc" else normalizers.NFKC())
    if section.pre_tokenizer == "bert":
        bert = {"clean_text": True, "handle_chinese_chars": True}
        steps.append(
            normalizers.BertNormalizer(**bert, strip_accents=section.strip_accents, lowercase=section.lowercase)
        )
    else:
        steps += [normalizers.Lowercase()] if section.lowercase else []
        steps += [normalizers.NFD(), normalizers.StripAccents()] if section.strip_accents else []
    if section.strip_accents:
        steps.append(normalizers.NFC())  # puts together what has no accent and was taken apart all the same: Hangul
    if len(steps) < 2:
        return steps[0] if steps else None
    return normalizers.Sequence(steps)


def normalizer(section: TokenizerSection, *, normalized: bool = False) -> normalizers.Normalizer | None:
    """The whole normalizer of a tokenizer.

    Args:
        normalized: without what the recipe asks for; for text to which that has been done.
    """
    from tokenizers import normalizers

    asked = None if normalized else normalization(section)
    if section.pre_tokenizer != "metaspace":
        return asked
    steps = [asked] if asked is not None else []
    steps += [normalizers.Replace(ESCAPE, f"{ESCAPE}0"), normalizers.Replace(META, f"{ESCAPE}1")]
    return normalizers.Sequence([*steps, *([normalizers.Prepend(" ")] if section.add_prefix_space else [])])


def normalizing(step: normalizers.Normalizer | None) -> Callable[[str], str]:
    """What a normalizer does to a text, as a function."""
    return str if step is None else step.normalize_str


def pre_tokenizer(section: TokenizerSection) -> pre_tokenizers.PreTokenizer:
    """The pre-tokenizer."""
    from tokenizers import Regex, pre_tokenizers

    if section.pre_tokenizer == "bert":
        return pre_tokenizers.BertPreTokenizer()
    steps: list[pre_tokenizers.PreTokenizer] = []
    if section.split_digits == "single":
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    elif section.split_digits == "groups_of_three":
        steps.append(pre_tokenizers.Split(Regex(r"\p{N}{1,3}"), "isolated"))
    built_in = section.pre_tokenizer == "byte_level" and section.pattern == "gpt2"
    if not built_in:
        steps.append(pre_tokenizers.Split(Regex(PATTERNS[section.pattern or "gpt2"]), "isolated"))
    if section.pre_tokenizer == "byte_level":
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=built_in))
    else:
        steps.append(pre_tokenizers.Metaspace(META, prepend_scheme="never", split=False))
    return steps[0] if len(steps) == 1 else pre_tokenizers.Sequence(steps)


def decoder(section: TokenizerSection) -> decoders.Decoder:
    """The decoder: what the normalizer and the pre-tokenizer did, undone."""
    from tokenizers import decoders

    if section.pre_tokenizer == "byte_level":
        return decoders.ByteLevel()
    if section.pre_tokenizer == "bert":
        return decoders.WordPiece(prefix="##", cleanup=False)
    return decoders.Sequence(
        [
            decoders.Replace(META, " "),
            *([decoders.ByteFallback()] if section.byte_fallback else []),
            decoders.Fuse(),
            decoders.Replace(f"{ESCAPE}1", META),
            decoders.Replace(f"{ESCAPE}0", ESCAPE),
            *([decoders.Strip(" ", 1, 0)] if section.add_prefix_space else []),
        ]
    )


def post_processor(
    section: TokenizerSection, named: dict[str, str], ids: dict[str, int]
) -> processors.PostProcessor | None:
    """What ``tokenizer(text)`` and ``tokenizer(a, b)`` add; None for nothing.

    Args:
        named: the special tokens by their names.
        ids: the vocabulary.
    """
    from tokenizers import processors

    bos, eos = named.get("bos_token"), named.get("eos_token")
    cls, sep = named.get("cls_token"), named.get("sep_token")
    if section.template == "bert":
        single = [f"{cls}:0", "$A:0", f"{sep}:0"]
        pair, used = [*single, "$B:1", f"{sep}:1"], [cls, sep]
    elif section.template == "xlnet":
        single = ["$A:0", f"{sep}:0", f"{cls}:2"]
        pair, used = ["$A:0", f"{sep}:0", "$B:1", f"{sep}:1", f"{cls}:2"], [cls, sep]
    else:
        before = [bos] if section.add_bos_token and bos else []
        after = [eos] if section.add_eos_token and eos else []
        single = [*before, "$A", *after]
        pair, used = [*single, *before, "$B", *after], [*before, *after]
    tokens = [(token, ids[token]) for token in dict.fromkeys(used) if token is not None]
    return processors.TemplateProcessing(single=single, pair=pair, special_tokens=tokens) if tokens else None
