"""The rules about the ``model`` section, by what the installed transformers declares about the architecture."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from pretraining.batching.config import BatchesSection
from pretraining.modeling.architectures import (
    aliases,
    config_fields,
    divides_width_always,
    heads_in,
    legacy_keys,
    own_name,
    positions_key,
)
from pretraining.modeling.carriers import (
    HEADS,
    SHOWN,
    architectures_of,
    fitting_form,
    head_for,
    in_words,
    isolates,
    known_architectures,
    knows_blanks,
)
from pretraining.modeling.config import ModelSection
from pretraining.modeling.start_checks import RULES as START_RULES
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.section import Finding, Rule
from pretraining.tokenization.config import TokenizerSection

SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
"""Keys whose values only the tokenizer knows."""

_HEADS = ("num_attention_heads", "num_key_value_heads", "head_dim")
SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size", *_HEADS)
"""Keys that count something every model of its kind has, by the names of llama."""

SET_BY_US = {
    "use_cache": "training never uses a cache, and the published model always may",
    "model_type": "the architecture is `model.architecture`",
    "architectures": "the architecture is `model.architecture`",
    "transformers_version": "transformers writes its own version",
    "dtype": "weights are kept in float32; the precision of the arithmetic belongs to the accelerate config",
    "output_hidden_states": "nothing in training reads the hidden states",
    "return_dict": "the loop needs the named outputs",
}
"""Keys of every config that pretraining answers for, and the reason."""

_ONE_DOCUMENT = {
    "contrastive": "compares texts, and a packed row is several",
    "sentence_pair": "makes one pair of a row, out of one of its documents: the text of the others would not be read",
}
"""Objectives that take rows of one document, and the reason."""

_TYPES: dict[str, type | tuple[type, ...]] = {"int": int, "float": float, "bool": bool, "str": str, "None": type(None)}
_NAMES = {"int": "a whole number", "float": "a number with a point", "bool": "true or false", "str": "text"}


def _near(word: str, candidates: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, sorted(candidates), n=1, cutoff=0.6)
    return near[0] if near else ""


def _readable(model: ModelSection) -> bool:
    """Whether the other rules can look the architecture up; if not, ``architecture_known`` has said so."""
    return model.architecture in known_architectures()


def architecture_known(model: ModelSection) -> Iterator[Finding]:
    """``architecture`` is a ``model_type`` with a head for some objective and a vocabulary of its own."""
    name = model.architecture
    if not _readable(model):
        near = _near(name.lower().removesuffix("forcausallm"), known_architectures())
        yield Finding(
            path="model.architecture",
            message="which tokens this encoder-decoder may see in a padded batch is not known here"
            if name in heads_in("MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES")
            else "the installed transformers has no such architecture with a language-modeling head",
            fix="write a model_type of transformers, such as llama, qwen3, gpt2, bert, modernbert, t5 or bart",
            hint=f"did you mean {near}?" if near else "",
        )
    elif own_name(name, "vocab_size") not in config_fields(name):
        text = f"{name}_text"
        yield Finding(
            path="model.architecture",
            message=f"{name} is put together from several models, and its own config has no vocabulary",
            fix="name an architecture of text alone",
            hint=f"did you mean {text}?" if text in known_architectures() else "",
        )


def objective_fits_architecture(model: ModelSection, objective: ObjectiveBase) -> Iterator[Finding]:
    """The architecture has a head that can learn the objective."""
    if not _readable(model) or head_for(objective.heads(), model.architecture):
        return
    name, kinds = model.architecture, objective.heads()
    needed = " or ".join(HEADS[kind] for kind in kinds)
    known = sorted(set().union(*(architectures_of(kind) for kind in kinds)) & set(SHOWN))
    form = fitting_form(objective, name)
    instead = f"set objective.form: {form}, or " if form else ""
    yield Finding(
        path="objective.type",
        message=f"{in_words(objective)} needs {needed}, which {name} is not",
        fix=f"{instead}choose an architecture such as {', '.join(known)}, or another objective; "
        "recipes/README.md has the table",
    )


def blanks_have_places(model: ModelSection, objective: ObjectiveBase) -> Iterator[Finding]:
    """``blank_infilling`` goes with models that read positions."""
    kinds = [objective.type, *(task.objective.type for task in getattr(objective, "tasks", ()))]
    if not all(knows_blanks(kind, model.architecture) for kind in kinds):
        yield Finding(
            path="objective.type",
            message="blank_infilling tells a span which blank it fills by its position, "
            f"and {model.architecture} reads no positions (ALiBi)",
            fix="choose an architecture such as glm, llama or gpt2, or another objective",
        )


def views_differ(model: ModelSection, objective: ObjectiveBase) -> Iterator[Finding]:
    """``contrastive`` learns from a model with dropout, which is what makes two views of a text."""
    if objective.type != "contrastive" or not _readable(model):
        return
    given = {own_name(model.architecture, key): value for key, value in model.config_keys.items()}
    defaults = {key: field.default for key, field in config_fields(model.architecture).items()}
    rates = {key: value for key, value in (defaults | given).items() if _is_dropout_of_layers(key)}
    # A rate that is no number is another rule's, or is not known before the config is made.
    if not rates or any(not isinstance(rate, int | float) or rate for rate in rates.values()):
        return
    path = next((f"model.{key}" for key in rates if key in given), "model.architecture")
    yield Finding(
        path,
        f"contrastive learns from two views of a text that dropout makes differ, and every dropout of this "
        f"{model.architecture} is 0 ({', '.join(rates)}; defaults included)",
        f"set one of them to 0.1, such as model.{next(iter(rates))}: 0.1",
    )


def _is_dropout_of_layers(key: str) -> bool:
    """Whether a key of a config is the dropout of the layers, and not that of a head that is not built."""
    return "dropout" in key and not key.startswith(("classifier", "summary", "pooler", "qa", "seq_classif"))


def pair_has_two_segments(model: ModelSection, objective: ObjectiveBase) -> Iterator[Finding]:
    """``sentence_pair`` has an embedding for each of its two segments."""
    size = model.config_keys.get("type_vocab_size")
    if objective.type == "sentence_pair" and type(size) is int and size < 2:
        message = "sentence_pair numbers its two segments 0 and 1, and the model has no embedding for the second"
        yield Finding("model.type_vocab_size", message, "remove it, or set it to 2")


def packing_can_isolate(model: ModelSection, objective: ObjectiveBase, batches: BatchesSection) -> Iterator[Finding]:
    """Packed rows only where documents can be kept apart, and where a row may hold several."""
    if batches.packing == "none":
        return
    if not isolates(model.architecture):
        message = f"{model.architecture} counts positions from the beginning of the row and cannot keep documents apart"
        yield Finding("batches.packing", message, "set batches.packing: none (one document a row)")
    elif objective.type in _ONE_DOCUMENT:
        message = f"{objective.type} {_ONE_DOCUMENT[objective.type]}"
        yield Finding("batches.packing", message, "set batches.packing: none (one document a row)")


def model_key_known(model: ModelSection) -> Iterator[Finding]:
    """Each key is read by the config, and stands there under one name only."""
    if not _readable(model):
        return
    fields, others = config_fields(model.architecture), aliases(model.architecture)
    known = {*fields, *others, *legacy_keys(model.architecture)}
    for key in model.config_keys:
        if key in others and others[key] in model.config_keys:
            yield Finding(
                path=f"model.{key}",
                message=f"in {model.architecture} this is another name of {others[key]}, which is given too",
                fix=f"keep model.{others[key]} and remove model.{key}",
            )
        elif key not in known:
            near = _near(key, (known - set(SET_BY_US) - set(SPECIAL_IDS)) | set(ModelSection.model_fields))
            also = f" (transformers' other name of {others[near]})" if near in others else ""
            yield Finding(
                path=f"model.{key}",
                message=f"the config of {model.architecture} has no such key: it would be stored and never read",
                fix=f"remove it, or look the key up in transformers' documentation of {model.architecture}",
                hint=f"did you mean {near}{also}?" if near else "",
            )


def _fits(value: object, kinds: list[str]) -> bool:
    # bool is an int to Python; transformers tells them apart, and int from float too.
    return any(type(value) is _TYPES[kind] for kind in kinds)


def model_key_type(model: ModelSection) -> Iterator[Finding]:
    """Each value has the type that the config declares, where that is a plain one."""
    if not _readable(model):
        return
    fields = config_fields(model.architecture)
    for key, value in model.config_keys.items():
        field = fields.get(own_name(model.architecture, key))
        kinds = [kind.strip() for kind in field.annotation.split("|")] if field is not None else []
        if not kinds or not all(kind in _TYPES for kind in kinds) or _fits(value, kinds):
            continue
        expected = " or ".join(_NAMES[kind] for kind in kinds if kind in _NAMES)
        fix = f"write {expected}"
        if type(value) is int and "float" in kinds:
            fix = f"write {float(value)}"
        elif isinstance(value, float) and value.is_integer() and "int" in kinds:
            fix = f"write {int(value)}"
        yield Finding(
            path=f"model.{key}",
            message=f"the config of {model.architecture} expects {expected} ({field.annotation if field else ''})",
            fix=fix,
        )


def _numbers(model: ModelSection) -> dict[str, int]:
    """The keys that hold whole numbers, by the names of llama: given ones, else the architecture's defaults."""
    fields = config_fields(model.architecture)
    numbers = {}
    for name in ("hidden_size", *_HEADS):
        own = own_name(model.architecture, name)
        value = model.config_keys.get(own, fields[own].default if own in fields else None)
        value = model.config_keys.get(name, value)
        if type(value) is int and value > 0:
            numbers[name] = value
    return numbers


def model_sizes_positive(model: ModelSection) -> Iterator[Finding]:
    """Widths, layers, heads and the vocabulary are at least one."""
    if not _readable(model):
        return
    sizes = {own_name(model.architecture, name) for name in SIZES} | {positions_key(model.architecture)}
    for key, value in model.config_keys.items():
        if own_name(model.architecture, key) in sizes and type(value) is int and value < 1:
            yield Finding(f"model.{key}", "a model of this size cannot be built", "write a whole number above 0")


def heads_divide_width(model: ModelSection) -> Iterator[Finding]:
    """The attention heads divide the width; the key/value heads divide the attention heads."""
    if not _readable(model):
        return
    numbers, architecture = _numbers(model), model.architecture
    width, heads = numbers.get("hidden_size"), numbers.get("num_attention_heads")
    groups = numbers.get("num_key_value_heads")
    width_key, heads_key = own_name(architecture, "hidden_size"), own_name(architecture, "num_attention_heads")
    free = "head_dim" in numbers and not divides_width_always(architecture)
    if width and heads and width % heads and not free:
        unit = 2 * heads  # an even size of each head, which rotary positions need
        below, above = width - width % unit, width + unit - width % unit
        nearest = " or ".join(str(number) for number in (below, above) if number)
        yield Finding(
            path=f"model.{width_key}",
            message=f"{heads_key} = {heads} does not divide {width_key} = {width}",
            fix=f"set {width_key} to {nearest}, or {heads_key} to a divisor of {width}",
        )
    if heads and groups and heads % groups:
        default = "" if "num_key_value_heads" in model.config_keys else f", the default of {architecture},"
        divisors = ", ".join(str(number) for number in range(1, heads + 1) if heads % number == 0)
        yield Finding(
            path="model.num_key_value_heads",
            message=f"num_key_value_heads = {groups}{default} does not divide {heads_key} = {heads}",
            fix=f"choose one of {divisors}",
        )


def sequence_fits_positions(model: ModelSection, batches: BatchesSection) -> Iterator[Finding]:
    """No sample of any stage is longer than what the model has positions for."""
    key = positions_key(model.architecture) if _readable(model) else None
    positions = model.config_keys.get(key) if key is not None else None
    if isinstance(positions, int) and positions < batches.longest_sequence:
        fix = f"remove model.{key}, which then follows the longest sample, or raise it"
        if model.name_or_path:
            fix = f"shorten the rows; where positions are rotary, model.{key} may be more than the weights have"
        message = f"samples have {batches.longest_sequence} tokens, the model has {positions} positions"
        yield Finding(f"model.{key}", message, fix)


def vocabulary_covers_tokenizer(model: ModelSection, tokenizer: TokenizerSection) -> Iterator[Finding]:
    """``model.vocab_size``, when given, has a row for each token."""
    key = own_name(model.architecture, "vocab_size") if _readable(model) else "vocab_size"
    size = model.config_keys.get(key)
    asked = tokenizer.target_size
    if isinstance(size, int) and asked is not None and size < asked:
        yield Finding(
            path=f"model.{key}",
            message=f"the tokenizer has {asked} tokens, the model's vocabulary only {size}",
            fix=f"remove model.{key}, which then follows tokenizer.vocab_size, or raise it",
        )


def special_ids_from_tokenizer(model: ModelSection) -> Iterator[Finding]:
    """The ids of special tokens are not written by hand."""
    for key in SPECIAL_IDS:
        if key in model.config_keys:
            yield Finding(path=f"model.{key}", message="the id comes from the tokenizer", fix="remove it")


def model_key_reserved(model: ModelSection) -> Iterator[Finding]:
    """Keys that pretraining sets by itself are not in the recipe."""
    for key, reason in SET_BY_US.items():
        if key in model.config_keys:
            yield Finding(path=f"model.{key}", message=f"this key is not the recipe's: {reason}", fix="remove it")


RULES = [
    Rule(
        id="architecture_known",
        says="`model.architecture` is an architecture of the installed transformers with a language-modeling head.",
        why="The name is the only thing that says which model is built.",
        check=architecture_known,
    ),
    Rule(
        id="objective_fits_architecture",
        says="The objective and the architecture go together.",
        why="A decoder cannot fill in what it has not reached, and an encoder sees the token that it is to predict.",
        check=objective_fits_architecture,
    ),
    Rule(
        id="blanks_have_places",
        says="`blank_infilling` goes with a model that reads positions.",
        why="Spans are shuffled: without its position a span would have to guess which blank it fills.",
        check=blanks_have_places,
    ),
    Rule(
        id="views_differ",
        says="With `contrastive`, one dropout of the model's layers is above 0.",
        why="Both views of a text are the same tokens: without dropout (the default of ALBERT and ModernBERT) they are "
        "equal, and the loss says nothing.",
        check=views_differ,
    ),
    Rule(
        id="pair_has_two_segments",
        says="With `sentence_pair`, `model.type_vocab_size` is 2 or more.",
        why="The second segment would have no row in the embedding: an index error when training starts.",
        check=pair_has_two_segments,
    ),
    Rule(
        id="packing_can_isolate",
        says="Documents share rows only where the model can keep them apart and the objective reads all of them.",
        why="A document that sees its neighbours learns from what is not there when the model is used; `contrastive` "
        "and `sentence_pair` take one text a row.",
        check=packing_can_isolate,
    ),
    Rule(
        id="model_key_known",
        says="Every key of `model` is one that the architecture's config reads, written once.",
        why="A transformers config keeps any key and reads only its own: a misspelt one changes nothing.",
        check=model_key_known,
    ),
    Rule(
        id="model_key_type",
        says="Every key of `model` has the type that the architecture's config declares.",
        why="transformers refuses other types when the model is built, which is after the corpus and the tokenizer.",
        check=model_key_type,
    ),
    Rule(
        id="model_sizes_positive",
        says="Widths, layers, heads, positions and the vocabulary are at least one.",
        why="transformers builds the config all the same; the model fails, after the corpus and the tokenizer.",
        check=model_sizes_positive,
    ),
    Rule(
        id="heads_divide_width",
        says="The number of attention heads divides the width, and that of key/value heads divides the former.",
        why="Each head gets an equal share of the width unless `head_dim` is given; each group of keys as many heads.",
        check=heads_divide_width,
    ),
    Rule(
        id="sequence_fits_positions",
        says="A sample is not longer than the positions that the model knows.",
        why="Learned positions end in an index error, rotary ones in a model that its config describes wrongly.",
        check=sequence_fits_positions,
    ),
    Rule(
        id="vocabulary_covers_tokenizer",
        says="The model's vocabulary is at least as large as the tokenizer's.",
        why="A token without a row in the embedding stops training with an index error.",
        check=vocabulary_covers_tokenizer,
    ),
    Rule(
        id="special_ids_from_tokenizer",
        says="`bos_token_id`, `eos_token_id` and `pad_token_id` are not set by hand.",
        why="Ids that disagree with the tokenizer make generation run on, or stop at a word.",
        check=special_ids_from_tokenizer,
    ),
    Rule(
        id="model_key_reserved",
        says="Keys that pretraining answers for, such as `use_cache` and `dtype`, are not set by hand.",
        why="They would be overwritten, or would change what training promises.",
        check=model_key_reserved,
    ),
    *START_RULES,
]
