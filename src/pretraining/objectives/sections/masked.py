"""The sections of the objectives that hide tokens in place: masked language modeling, replaced token detection."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pretraining.objectives.sections.base import ObjectiveBase

MaskingUnit = Literal["token", "whole_word", "ngram", "span"]


class MaskingSection(ObjectiveBase):
    """Which tokens are hidden, and what stands in their place."""

    mlm_probability: float = Field(default=0.15, gt=0, le=1)
    """Share of the tokens that are targets (BERT 0.15, ModernBERT 0.30); special tokens are not counted."""
    final_mlm_probability: float | None = Field(default=None, gt=0, le=1)
    """The share at the end of the training, reached on a straight line from ``mlm_probability`` (0.30 to 0.15 in
    Ankner et al. 2023, arXiv 2305.15096)."""
    mask_replace_prob: float = Field(default=0.8, ge=0, le=1)
    """Share of the targets in whose place the mask token stands (BERT)."""
    random_replace_prob: float = Field(default=0.1, ge=0, le=1)
    """Share of the targets in whose place a random ordinary token stands (BERT); the rest is left as it is."""
    exact: bool = True
    """``true``: every row has ``max(1, round(mlm_probability * tokens))`` targets, drawn without replacement (BERT), or
    as many whole words, n-grams and spans as fit in that number;
    ``false``: every token, or whole word, is a target with that probability by itself (transformers, ModernBERT)."""
    unit: MaskingUnit = "token"
    """What is hidden together: ``token`` (BERT, RoBERTa); ``whole_word`` (BERT's whole word masking); ``ngram``, one
    to ``ngram`` whole words (ALBERT); ``span``, geometrically many words, all masked, all random or all left
    (SpanBERT)."""
    ngram: int = Field(default=3, ge=1, le=100)
    """With ``unit: ngram``: words of the longest n-gram; n words are drawn with probability in proportion to 1/n."""
    geometric_p: float = Field(default=0.2, gt=0, lt=1)
    """With ``unit: span``: the geometric distribution of the words of a span (SpanBERT's paper)."""
    span_upper: int = Field(default=10, ge=1, le=100)
    """With ``unit: span``: words of the longest span (SpanBERT)."""
    segmenter: Literal["jieba"] | None = None
    """Cuts Chinese text into words; without it every token of a script without spaces is a word."""

    @model_validator(mode="after")
    def _fits_together(self) -> MaskingSection:
        if self.mask_replace_prob + self.random_replace_prob > 1 + 1e-9:
            raise ValueError("mask_replace_prob and random_replace_prob must not add up to more than 1")
        if not self.exact and self.unit in ("ngram", "span"):
            raise ValueError(f"unit: {self.unit} is only known with exact: true")
        if self.segmenter is not None and self.unit == "token":
            raise ValueError("segmenter finds words; give unit: whole_word, ngram or span, or leave it out")
        return self

    def token_roles(self) -> list[str]:
        """The mask token."""
        return ["mask_token"]


class MaskedLMSection(MaskingSection):
    """Masked language modeling (BERT, RoBERTa, ALBERT's n-grams, SpanBERT, ModernBERT)."""

    type: Literal["masked_lm"] = "masked_lm"
    """``masked_lm``: tokens that are hidden, from both sides."""
    span_boundary: bool = False
    """With ``unit: span``: also SpanBERT's span boundary objective, every token of a span from the two tokens around
    it."""
    max_pair_targets: int = Field(default=20, ge=1)
    """With ``span_boundary``: tokens of a span that are its targets, at most (SpanBERT)."""

    @model_validator(mode="after")
    def _boundary_of_spans(self) -> MaskedLMSection:
        if self.span_boundary and self.unit != "span":
            raise ValueError("span_boundary needs unit: span")
        return self

    def heads(self) -> tuple[str, ...]:
        """A head over the vocabulary."""
        return ("masked_lm",)


class ReplacedTokenDetectionSection(ObjectiveBase):
    """Replaced token detection: a small generator fills masked places, the model tells which tokens are its own
    (ELECTRA, DeBERTa-v3)."""

    type: Literal["replaced_token_detection"] = "replaced_token_detection"
    """``replaced_token_detection``: which tokens a generator has replaced."""
    mask_prob: float = Field(default=0.15, gt=0, le=1)
    """Share of the tokens that the generator predicts (ELECTRA: 0.15, large 0.25). ELECTRA draws with replacement,
    so that only 14.2 % are hidden at 128 tokens; here the share is what is hidden."""
    mask_replace_prob: float = Field(default=0.85, ge=0, le=1)
    """Share of them in whose place the mask token stands; the others are left, none is random (ELECTRA)."""
    exact: bool = True
    """``true``: ``max(1, round(mask_prob * tokens))`` places in every row, drawn without replacement; ``false``:
    every token by itself."""
    generator_hidden_size_ratio: float = Field(default=0.25, gt=0, le=1)
    """Width of the generator as a share of the model's (ELECTRA: small and large 1/4, base 1/3; DeBERTa-v3: 1)."""
    generator_layers_ratio: float = Field(default=1.0, gt=0, le=1)
    """Layers of the generator as a share of the model's (ELECTRA: 1; DeBERTa-v3: 1/2)."""
    generator_weight: float = Field(default=1.0, gt=0)
    """Weight of the generator's loss (ELECTRA)."""
    discriminator_weight: float = Field(default=50.0, gt=0)
    """Weight of the loss of the detection (ELECTRA, DeBERTa-v3)."""
    temperature: float = Field(default=1.0, gt=0)
    """Of the generator when a token is drawn from it."""
    adversarial: bool = False
    """Train the generator to deceive, by REINFORCE, instead of by likelihood (ELECTRA, appendix F)."""
    embedding_sharing: Literal["shared", "gradient_disentangled"] = "shared"
    """``shared``: one table of embeddings trained by both losses (ELECTRA); ``gradient_disentangled``: the detection
    trains only a difference to the generator's table (DeBERTa-v3)."""

    def token_roles(self) -> list[str]:
        """The mask token."""
        return ["mask_token"]

    def heads(self) -> tuple[str, ...]:
        """A detecting head, with a generator beside it."""
        return ("replaced_token_detection",)

    def masking(self) -> dict[str, Any]:
        """The same masks in the words of masked language modeling."""
        return {
            "mlm_probability": self.mask_prob,
            "mask_replace_prob": self.mask_replace_prob,
            "random_replace_prob": 0.0,
            "exact": self.exact,
        }

    def collator_parameters(self) -> dict[str, Any]:
        """What decides the masks; the generator and the weights belong to the model and the loss."""
        return self.model_dump(include={"mask_prob", "mask_replace_prob", "exact"})
