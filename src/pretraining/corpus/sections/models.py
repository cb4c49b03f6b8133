"""Perplexity and quality classifiers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.sections.sources import Source
from pretraining.section import Section


class _WordModel(Section):
    words: Literal["script", "white_space", "jieba"] = "script"
    """What a word is. ``script``: text is lower-cased, digits become 0 and punctuation its ASCII form (as CCNet
    does before its models); then every character of Han, Kana, Thai, Lao, Khmer, Burmese or Tibetan, every other run
    of letters, and every sign is a word. ``white_space``: the text as it is, split at white space. ``jieba``: Chinese
    words, the text as it is."""
    tokenizer: str | None = None
    """A ``tokenizer.json``: its tokens are the words, after the lower-casing of ``words: script``, or of the text as
    it is with ``words: white_space``."""

    @model_validator(mode="after")
    def _one_segmentation(self) -> _WordModel:
        if self.tokenizer is not None and self.words == "jieba":
            raise ValueError("`words: jieba` and a `tokenizer` both cut the text: give one of them")
        return self


class KenlmModel(_WordModel):
    """An n-gram model in a file of KenLM (Heafield et al. 2013), asked through the Python package ``kenlm``."""

    type: Literal["kenlm"]
    path: str
    """A KenLM binary or an ARPA file (the binary loads at once), or a registered asset such as ``zh_CN.lm``. Its
    vocabulary has to be that of ``words`` or ``tokenizer``."""


class TrainedModel(_WordModel):
    """An n-gram model trained before the build, with modified Kneser-Ney smoothing (Chen & Goodman 1998)."""

    type: Literal["train"]
    source: str | Source
    """The trusted source: the name of one of ``corpus.sources``, or a source of its own. Its held-out documents are
    left out. The step must not measure it (``sources``): the model knows by heart what it has learned."""
    order: int = Field(default=5, ge=2, le=6)
    """Words of the longest n-gram; 5 in CCNet."""
    min_count: int = Field(default=1, ge=1)
    """N-grams of three words or more that occur less often are dropped; their probability goes to shorter ones."""
    max_words: int = Field(default=10_000_000, ge=1)
    """Words to learn from: documents in the order of the source, until there are as many. Training takes some 170
    bytes of memory for each, at ``order: 5``."""


class TransformersModel(Section):
    """A causal language model of ``transformers``."""

    type: Literal["transformers"]
    path: str
    """A folder with model and tokenizer, or the id of one that is in the hub's cache already. Code that comes with a
    model is never run."""
    window: int = Field(default=512, ge=2)
    """Tokens that the model sees at once. Windows do not overlap, except in the one token that starts the next."""
    device: str = "cpu"
    """Where it runs: ``cpu``, ``cuda``, ``mps``. Another device changes the last digits."""


class PerplexityStep(StepSection):
    """How well a language model predicts the text (Wenzek et al. 2020, CCNet, arXiv 1911.00359, section 3.3).

    Writes the fields ``perplexity`` (four significant digits), with a ``transformers`` model ``bits_per_byte`` too,
    and with ``head`` and ``tail`` ``perplexity_bucket``. The perplexity of an n-gram model is per word, of a
    ``transformers`` model per token: numbers of different models do not compare.
    """

    type: Literal["perplexity"]
    implementation: ClassVar[str] = "models.perplexity:Perplexity"
    model: Annotated[KenlmModel | TrainedModel | TransformersModel, Field(discriminator="type")]
    """The language model."""
    max_perplexity: float | None = Field(default=None, gt=0)
    """Above: removed (gibberish, lists, another language). Published limits belong to their models: measure."""
    min_perplexity: float | None = Field(default=None, gt=0)
    """Below: removed (repetition, boilerplate)."""
    head: float | None = Field(default=None, gt=0)
    """Below: bucket ``head``. For buckets by quantile see the step ``perplexity_buckets``."""
    tail: float | None = Field(default=None, gt=0)
    """At or above: bucket ``tail``; ``middle`` lies between."""

    @model_validator(mode="after")
    def _both_limits(self) -> PerplexityStep:
        if (self.head is None) != (self.tail is None):
            raise ValueError("give both `head` and `tail`, or neither")
        return self


class PerplexityBucketsStep(StepSection):
    """Head, middle and tail of each language by perplexity, as CCNet (arXiv 1911.00359) cuts them: at 30 % and 60 %.

    Stands after a ``perplexity`` step and sees all documents before it decides. Writes ``perplexity_bucket`` and
    ``perplexity_quantile`` (share of the documents of the same language with a lower perplexity). Documents without a
    perplexity pass.
    """

    type: Literal["perplexity_buckets"]
    implementation: ClassVar[str] = "models.buckets:PerplexityBuckets"
    head: float = Field(default=0.3, ge=0, le=1)
    """Quantile below which a document is ``head``."""
    tail: float = Field(default=0.6, ge=0, le=1)
    """Quantile from which on a document is ``tail``; ``middle`` lies between."""
    max_quantile: float | None = Field(default=None, gt=0, le=1)
    """At or above this quantile: removed. 0.6 keeps head and middle; nothing is removed when left out."""


class ClassifierStep(StepSection):
    """How much a text looks like the good examples, by classifiers that vote; the score stays as a field.

    Several scores become one: ``mean``, or the score that ``any``, ``all`` or the ``majority`` of the classifiers
    reach (their largest, smallest, middle score), so that one threshold decides.
    """

    type: Literal["classifier"]
    implementation: ClassVar[str] = "models.classifier:Classifier"
    models: list[str] = Field(min_length=1)
    """The classifiers: folders of ``pretrain train-classifier``, fastText files (``.bin``, ``.ftz``), or folders of
    ``transformers`` sequence classifiers."""
    label: str = "positive"
    """The label whose probability is the score. A classifier with one output has no labels: its output is the score."""
    vote: Literal["mean", "majority", "any", "all"] = "mean"
    """How several classifiers agree."""
    field: str = "quality_score"
    """The field that the score is written to, with four decimals."""
    select: Literal["threshold", "pareto"] = "threshold"
    """``threshold`` compares the score with ``min_score``. ``pareto`` adds a random draw to it first, so that some
    documents with a low score stay (GPT-3: Brown et al. 2020, arXiv 2005.14165, appendix A)."""
    min_score: float | None = None
    """Below: removed. 0.5 for ``threshold``. 1.0 for ``pareto``, which is GPT-3's rule: kept when the draw is more
    than 1 - score."""
    max_score: float | None = None
    """Above: removed, whatever ``select`` says; for classifiers of what is not wanted."""
    alpha: float = Field(default=9.0, gt=0)
    """Shape of the Pareto (Lomax) distribution of ``pareto``: 9 in GPT-3; less keeps more of the low scores."""
    seed: int = 0
    """Of the draws of ``pareto``, which depend on it and the document's id alone."""
    device: str = "cpu"
    """Where ``transformers`` classifiers run: ``cpu``, ``cuda``, ``mps``. Another device changes the last digits."""

    @model_validator(mode="before")
    @classmethod
    def _published_minimum(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "min_score" in values:
            return values
        return {**values, "min_score": 1.0 if values.get("select") == "pareto" else 0.5}
