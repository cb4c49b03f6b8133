"""Which architectures carry which objective, by the heads that the installed transformers has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from pretraining.modeling.architectures import heads_in, known_configs
from pretraining.objectives.sections.base import ObjectiveBase

HEADS = {
    "causal_lm": "a causal decoder",
    "masked_lm": "an encoder with a masked language-modeling head",
    "seq2seq_lm": "an encoder-decoder",
    "permutation_lm": "XLNet, whose second stream predicts without seeing",
    "pair": "an encoder with a head for sentence pairs",
    "replaced_token_detection": "an encoder that can be generator and discriminator",
    "encoder": "an encoder",
}
"""The kinds of heads, in words."""

_PAIRS = frozenset({"bert", "albert"})
_DETECTORS = frozenset({"electra", "deberta-v2"})

WITHOUT_LOSS_OPTIONS = ("encoder", "replaced_token_detection")
"""Heads whose loss is not that of a vocabulary alone, so that z-loss and label smoothing are not defined."""

CANNOT_ISOLATE = frozenset({"bart", "mbart", "pegasus", "blenderbot", "blenderbot-small", "marian", "plbart"})
"""Their positions count from the beginning of the row, so a packed document is not what it is alone."""

EAGER_ONLY = frozenset({"bloom", "mpt", "deberta", "deberta-v2", "xlnet"})
"""transformers 5.23 has no other attention for them."""

_T5 = frozenset({"t5", "umt5", "mt5"})

COUNTS_FROM_PADDING = frozenset(
    {"roberta", "xlm-roberta", "camembert", "roberta-prelayernorm", "xlm-roberta-xl", "xmod", "data2vec-text", "ibert"}
    | {"longformer", "luke", "mpnet", "esm"}
)
"""Their first position is ``pad_token_id + 1``, as in fairseq."""

WITHOUT_PLACES = frozenset({"bloom", "mpt"})
"""ALiBi: they know how far apart tokens stand in the row and read no positions."""

PADDING_POSITIONS = 8
"""Positions that are kept free for that: padding is among the first tokens of every vocabulary."""

SHOWN = (
    *("llama", "qwen3", "mistral", "gpt2", "bloom", "mpt", "glm"),
    *("bert", "roberta", "albert", "electra", "deberta-v2", "modernbert", "xlnet"),
    *("t5", "umt5", "bart"),
)
"""The architectures that the tests cover and the documentation lists."""


@cache
def architectures_of(head: str) -> frozenset[str]:
    """The ``model_type`` of every architecture with this kind of head.

    An encoder that transformers can also run as a decoder (BERT with ``is_decoder``) is an encoder here: it sees both
    sides, so the next token would be no secret. Of the encoder-decoders there are those whose masks are known here:
    T5's relatives, and BART's, which take one document a row.
    """
    masked = heads_in("MODEL_FOR_MASKED_LM_MAPPING_NAMES")
    seq2seq = heads_in("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES")
    encoders = masked - seq2seq
    found = {
        "causal_lm": heads_in("MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
        - masked
        - seq2seq
        - {"xlnet", "xlm", "bert-generation", "reformer"},
        "masked_lm": encoders,
        "seq2seq_lm": seq2seq & (_T5 | CANNOT_ISOLATE),
        "permutation_lm": frozenset({"xlnet"}),
        "pair": _PAIRS,
        "replaced_token_detection": _DETECTORS,
        "encoder": encoders,
    }
    return found[head] & known_configs()


def head_for(heads: Sequence[str], architecture: str) -> str | None:
    """The first of the objective's heads that the architecture has."""
    return next((head for head in heads if architecture in architectures_of(head)), None)


def in_words(objective: ObjectiveBase) -> str:
    """The objective's name, with its ``form`` where it has several, which decides about the head."""
    form = getattr(objective, "form", None)
    return objective.type + (f" with form: {form}" if form else "")


def fitting_form(objective: ObjectiveBase, architecture: str) -> str | None:
    """The ``form`` in which the architecture can learn the objective; None where there is none."""
    if not hasattr(objective, "form"):
        return None
    forms = ("decoder", "encoder_decoder")
    return next(
        (form for form in forms if head_for(objective.model_copy(update={"form": form}).heads(), architecture)), None
    )


@cache
def known_architectures() -> frozenset[str]:
    """Every architecture that carries some objective."""
    return frozenset().union(*(architectures_of(head) for head in HEADS))


def knows_blanks(objective: str, architecture: str) -> bool:
    """False for ``blank_infilling`` on a model without positions: it is by them that a span is told its blank."""
    return objective != "blank_infilling" or architecture not in WITHOUT_PLACES


def isolates(architecture: str) -> bool:
    """Whether packed documents can be kept apart."""
    return architecture not in CANNOT_ISOLATE


def matrix(objectives: Mapping[str, Sequence[str]]) -> str:
    """Which objectives go with which of the architectures ``SHOWN``: a Markdown table.

    Args:
        objectives: the heads of each, by name.
    """
    lines = ["| objective | " + " | ".join(SHOWN) + " |", "|---|" + ":-:|" * len(SHOWN)]
    for name, heads in objectives.items():
        marks = (
            "yes" if head_for(heads, architecture) and knows_blanks(name, architecture) else ""
            for architecture in SHOWN
        )
        lines.append(f"| `{name}` | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"
