"""The sections of the objectives that replace spans by sentinels: T5's span corruption and UL2's denoisers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.span_lengths import corrupted_lengths, span_corruption_raw_length, span_counts
from pretraining.section import Section


def sentinels(count: int) -> list[str]:
    """The names of T5's sentinels; the id of each is looked up, never calculated."""
    return [f"<extra_id_{number}>" for number in range(count)]


class SpanCorruptionSection(ObjectiveBase):
    """Span corruption (T5): spans of the text are replaced by sentinels in the inputs, and are the targets."""

    type: Literal["span_corruption"] = "span_corruption"
    """``span_corruption``: the spans that sentinels stand for (T5)."""
    noise_density: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens in spans (T5)."""
    mean_span_length: float = Field(default=3.0, ge=1)
    """Mean tokens of a span (T5)."""
    random_roll: bool = False
    """``true``: a row may begin with a span and need not end with one (UL2R). In T5 its first token is never in a
    span and its last always."""
    extra_ids: int = Field(default=100, ge=1)
    """Sentinels ``<extra_id_0>``, ``<extra_id_1>``, ... of the tokenizer (T5); a row needs one for each span."""

    def special_tokens(self) -> list[str]:
        """The sentinels."""
        return sentinels(self.extra_ids)

    def raw_length(self, sequence_length: int) -> int:
        """568 for inputs of 512 at .15 and 3."""
        return span_corruption_raw_length(sequence_length, self.noise_density, self.mean_span_length)

    def target_length(self, sequence_length: int) -> int:
        """Tokens of the targets of a full row: 114 for inputs of 512 at .15 and 3."""
        return corrupted_lengths(self.raw_length(sequence_length), self.noise_density, self.mean_span_length)[1]

    def spans(self, sequence_length: int) -> int:
        """Spans of a full row, which are the sentinels it needs: 28 for inputs of 512 at .15 and 3."""
        return span_counts(self.raw_length(sequence_length), self.noise_density, self.mean_span_length)[1]

    def heads(self) -> tuple[str, ...]:
        """Encoder and decoder."""
        return ("seq2seq_lm",)


class DenoiserSection(Section):
    """One of the denoisers of a mixture."""

    type: Literal["span", "prefix"] = "span"
    """``span``: span corruption (UL2's R and X); ``prefix``: the rest of a text from its beginning (UL2's S)."""
    mode: str | None = None
    """The token in front of the text that names the denoiser, such as ``[NLU]``; none when left out."""
    noise_density: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens that are targets; of a prefix denoiser on average, at most 0.5, which allows every
    prefix."""
    mean_span_length: float = Field(default=3.0, ge=1)
    """With ``type: span``: mean tokens of a span."""
    random_roll: bool = False
    """With ``type: span``: a row may begin with a span and need not end with one."""
    rate: float = Field(default=1.0, gt=0)
    """How often it is drawn, in proportion to the others."""

    @model_validator(mode="after")
    def _prefix_is_half_at_least(self) -> DenoiserSection:
        if self.type == "prefix" and self.noise_density > 0.5:
            raise ValueError("noise_density of a prefix denoiser must not be above 0.5, where every prefix is possible")
        return self


def _denoisers(mode: str, *settings: tuple[float, float], rate: float, roll: bool = False) -> list[DenoiserSection]:
    return [
        DenoiserSection(mode=mode, noise_density=density, mean_span_length=mean, rate=rate, random_roll=roll)
        for density, mean in settings
    ]


PRESETS: dict[str, list[DenoiserSection]] = {
    # UL2 (Tay et al. 2022), table 1: seven denoisers, drawn alike as in the code of its appendix.
    "ul2": [
        *_denoisers("[NLU]", (0.15, 3), (0.15, 8), rate=1),
        DenoiserSection(type="prefix", mode="[S2S]", noise_density=0.25, rate=1),
        *_denoisers("[NLG]", (0.5, 3), (0.5, 8), (0.15, 64), (0.5, 64), rate=1),
    ],
    # UL2R (Tay et al. 2022, "Transcending scaling laws"), for a model that goes on from another objective.
    "ul2r": [
        *_denoisers("[NLU]", (0.15, 3), rate=0.25, roll=True),
        DenoiserSection(type="prefix", mode="[S2S]", noise_density=0.5, rate=0.5),
        *_denoisers("[NLG]", (0.15, 32), (0.5, 3), rate=0.125, roll=True),
    ],
}
"""Published mixtures."""


def _preset_or_list(value: object) -> str:
    # So that a mistake is told about the one that was meant, not about both.
    return "preset" if isinstance(value, str) else "list"


class MixtureOfDenoisersSection(ObjectiveBase):
    """A mixture of denoisers (UL2): each row is corrupted by one of them, and begins with the token of its mode."""

    type: Literal["mixture_of_denoisers"] = "mixture_of_denoisers"
    """``mixture_of_denoisers``: span corruption of several kinds and prefixes (UL2)."""
    denoisers: Annotated[
        Annotated[Literal["ul2", "ul2r"], Tag("preset")] | Annotated[list[DenoiserSection], Tag("list")],
        Discriminator(_preset_or_list),
    ] = "ul2"
    """``ul2``: R, S and X denoisers of UL2; ``ul2r``: those of UL2R; or a list of denoisers."""
    form: Literal["encoder_decoder", "decoder"] = "encoder_decoder"
    """``encoder_decoder`` (UL2), or ``decoder``: inputs and targets in one row, the inputs as a prefix (UL2R)."""
    extra_ids: int = Field(default=100, ge=1)
    """Sentinels ``<extra_id_0>``, ``<extra_id_1>``, ... of the tokenizer (T5); a row needs one for each span."""

    @model_validator(mode="after")
    def _some_denoiser(self) -> MixtureOfDenoisersSection:
        if not self.denoisers:
            raise ValueError("denoisers is empty; name a preset (ul2, ul2r) or list at least one")
        return self

    def mixture(self) -> list[DenoiserSection]:
        """The denoisers."""
        return PRESETS[self.denoisers] if isinstance(self.denoisers, str) else self.denoisers

    def modes(self) -> list[str]:
        """The tokens of the modes, each once."""
        return list(dict.fromkeys(denoiser.mode for denoiser in self.mixture() if denoiser.mode is not None))

    def special_tokens(self) -> list[str]:
        """The sentinels, if there are spans, and the modes."""
        spans = any(denoiser.type == "span" for denoiser in self.mixture())
        return (sentinels(self.extra_ids) if spans else []) + self.modes()

    def raw_length(self, sequence_length: int) -> int:
        """The least of the denoisers' raw lengths, so that no token is lost whichever is drawn; the sequences of the
        others end with padding. One place is kept for the mode."""
        return min(self._raw_length(denoiser, sequence_length) for denoiser in self.mixture())

    def _raw_length(self, denoiser: DenoiserSection, sequence_length: int) -> int:
        places = sequence_length - bool(self.modes())
        density, mean = denoiser.noise_density, denoiser.mean_span_length
        if denoiser.type == "prefix":
            return places - 1
        if self.form == "encoder_decoder":
            return span_corruption_raw_length(places, density, mean)
        length = places - 1
        while sum(corrupted_lengths(length, density, mean)) - 1 > places:  # one EOS for both
            length -= 1
        return length

    def target_length(self, sequence_length: int) -> int:
        """The longest targets of a full row, with ``form: encoder_decoder``."""
        raw = self.raw_length(sequence_length)
        return max(
            raw if denoiser.type == "prefix" else corrupted_lengths(raw, *_setting(denoiser))[1]
            for denoiser in self.mixture()
        )

    def spans(self, sequence_length: int) -> int:
        """The most spans of a full row, which are the sentinels it needs."""
        raw = self.raw_length(sequence_length)
        return max(
            (span_counts(raw, *_setting(denoiser))[1] for denoiser in self.mixture() if denoiser.type == "span"),
            default=0,
        )

    def heads(self) -> tuple[str, ...]:
        """By the form."""
        return ("seq2seq_lm",) if self.form == "encoder_decoder" else ("causal_lm",)


def _setting(denoiser: DenoiserSection) -> tuple[float, float]:
    return denoiser.noise_density, denoiser.mean_span_length
