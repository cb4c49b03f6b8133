"""The rules about the ``tokenizer`` section."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path

from pretraining.corpus.config import CorpusSection
from pretraining.corpus.sources import source_name
from pretraining.errors import DataError
from pretraining.section import Finding, Rule
from pretraining.tokenization.config import NAMED_TOKENS, TokenizerSection, algorithm_defaults
from pretraining.tokenization.others import find
from pretraining.tokenization.special import equal_names, stands_apart

_TRAINED = ("bpe", "wordpiece", "unigram")
_WORDS = ("byte_level", "metaspace")
_ALGORITHMS = {
    **dict.fromkeys(("name_or_path", "revision", "add_missing_tokens"), ("pretrained",)),
    **dict.fromkeys(("vocab_size", "pad_to_multiple_of", "max_token_length", "reserved_tokens", "sample"), _TRAINED),
    **dict.fromkeys(("template", "add_bos_token", "add_eos_token"), _TRAINED),
    **dict.fromkeys(("normalization", "lowercase", "strip_accents", "pre_tokenizer"), _TRAINED),
    "min_frequency": ("bpe", "wordpiece"),
}
_PRE_TOKENIZERS = {
    **dict.fromkeys(("pattern", "split_digits"), _WORDS),
    **dict.fromkeys(("add_prefix_space", "byte_fallback"), ("metaspace",)),
    "character_coverage": ("metaspace", "bert"),
}
_CHOICES = {"bpe": _WORDS, "wordpiece": ("bert",), "unigram": ("metaspace",), "pretrained": (None,)}


def _keys_of_algorithm(tokenizer: TokenizerSection) -> Iterator[Finding]:
    fields = {key: field.default for key, field in TokenizerSection.model_fields.items()}
    usual = {
        **fields,
        **algorithm_defaults({"algorithm": tokenizer.algorithm, "pre_tokenizer": tokenizer.pre_tokenizer}),
    }
    for name, value, wanted in (
        ("algorithm", tokenizer.algorithm, _ALGORITHMS),
        ("pre_tokenizer", tokenizer.pre_tokenizer, _PRE_TOKENIZERS),
    ):
        for key, allowed in wanted.items():
            given = getattr(tokenizer, key)
            if value not in allowed and value is not None and given != usual[key]:
                yield Finding(
                    f"tokenizer.{key}",
                    f"{name}: {value} has no use for it",
                    f"remove it{_undo(usual[key])}; it belongs to {name}: {' or '.join(allowed)}",
                )
    if tokenizer.template != "bos_eos":
        for key in ("add_bos_token", "add_eos_token"):
            if getattr(tokenizer, key) and not usual[key]:
                fix = "remove it, or set template: bos_eos"
                yield Finding(f"tokenizer.{key}", f"template: {tokenizer.template} has tokens of its own", fix)


def _undo(usual: object) -> str:
    """How to get rid of a value that a file has which the recipe extends."""
    return f", or set it to {json.dumps(usual)} where it is inherited" if usual is None or usual is False else ""


def _pre_tokenizer_fits(tokenizer: TokenizerSection) -> Iterator[Finding]:
    choices = _CHOICES[tokenizer.algorithm]
    if tokenizer.pre_tokenizer not in choices and tokenizer.algorithm != "pretrained":
        yield Finding(
            "tokenizer.pre_tokenizer",
            f"algorithm: {tokenizer.algorithm} does not go with it",
            f"write {' or '.join(str(choice) for choice in choices)}",
        )


def no_folder(path: str, name: str, base: Path, what: str) -> Iterator[Finding]:
    """What is wrong with ``name``, where there is no such folder, and it cannot be the name of a repository either."""
    if (base / name).is_file():
        fix = f"write its folder: {Path(name).parent}"
        yield Finding(path, f"{base / name} is a file, and {what} is a folder of several", fix)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1 or ("/" in name and (base / name).parent.is_dir()):
        folder = (base / name).parent
        there = [each.name for each in folder.iterdir()] if folder.is_dir() else []
        near = difflib.get_close_matches((base / name).name, there, n=1)
        hint = f"did you mean {Path(name).parent / near[0]}?" if near else ""
        yield Finding(path, f"there is no folder {base / name}", "correct it; paths start from the recipe", hint)


def _pretrained_there(tokenizer: TokenizerSection, base: Path) -> Iterator[Finding]:
    if tokenizer.algorithm != "pretrained":
        return
    name, path = tokenizer.name_or_path, "tokenizer.name_or_path"
    if not name:
        fix = "write the folder of a tokenizer, or the name of a repository on the hub, such as gpt2"
        yield Finding(path, "algorithm: pretrained needs it: which tokenizer?", fix)
    elif (base / name).is_dir():
        if not any((base / name / file).is_file() for file in ("tokenizer.json", "tokenizer_config.json")):
            fix = "write a folder that `save_pretrained` has written"
            yield Finding(path, f"{base / name} holds no tokenizer: there is no tokenizer.json", fix)
    else:
        yield from no_folder(path, name, base, "a tokenizer")


def _pad_token_is_its_own(tokenizer: TokenizerSection) -> Iterator[Finding]:
    for first, second in equal_names(_named(tokenizer)):
        if "pad_token" in (first, second):
            yield Finding(
                path="tokenizer.pad_token",
                message=f"{tokenizer.pad_token!r} is also the {second if first == 'pad_token' else first}",
                fix="give padding a token of its own, such as <|pad|>",
            )


def _special_tokens_differ(tokenizer: TokenizerSection) -> Iterator[Finding]:
    named = _named(tokenizer)
    for first, second in equal_names(named):
        if "pad_token" not in (first, second):
            fix = "give each a token of its own; only BOS and EOS, BOS and CLS, EOS and SEP may be one"
            yield Finding(f"tokenizer.{second}", f"{named[second]!r} is also the {first}", fix)


def _special_tokens_stand_apart(tokenizer: TokenizerSection) -> Iterator[Finding]:
    given = [(f"tokenizer.{name}", token) for name, token in _named(tokenizer).items()]
    extra = tokenizer.additional_special_tokens
    given += [(f"tokenizer.additional_special_tokens[{number}]", token) for number, token in enumerate(extra)]
    for path, token in given if tokenizer.algorithm != "pretrained" else []:
        if not stands_apart(token):
            yield Finding(
                path,
                "a token that is learned from the text could be the same",
                "write a letter or digit that a mark follows, without white space or colon, as in <s>, [MASK], <|pad|>",
            )


def _needed_tokens_named(tokenizer: TokenizerSection) -> Iterator[Finding]:
    if tokenizer.algorithm == "pretrained":
        return
    needed: dict[str, str] = {}
    if tokenizer.pre_tokenizer != "byte_level" and not tokenizer.byte_fallback:
        needed["unk_token"] = "characters outside the alphabet become this token"
    if tokenizer.eos_token is None and tokenizer.sep_token is None:
        needed["eos_token"] = "nothing would tell where a document ends"
    if tokenizer.template != "bos_eos":
        needed |= dict.fromkeys(("cls_token", "sep_token"), f"template: {tokenizer.template} puts it into every text")
    needed |= {"bos_token": "add_bos_token puts it before every text"} if tokenizer.add_bos_token else {}
    needed |= {"eos_token": "add_eos_token puts it after every text"} if tokenizer.add_eos_token else {}
    for name, why in needed.items():
        if getattr(tokenizer, name) is None:
            yield Finding(f"tokenizer.{name}", f"there is none, but {why}", "give it a name, such as <s> or [SEP]")


def _vocabulary_has_room(tokenizer: TokenizerSection) -> Iterator[Finding]:
    if tokenizer.target_size is None:
        return
    bytes_in_it = tokenizer.pre_tokenizer == "byte_level" or tokenizer.byte_fallback
    named, more = len(set(_named(tokenizer).values())), len(set(tokenizer.additional_special_tokens))
    fixed = named + more + tokenizer.reserved_tokens + (256 if bytes_in_it else 0)
    if fixed >= tokenizer.target_size:
        what = "special tokens and the 256 bytes" if bytes_in_it else "special tokens"
        fix = f"set it to more than {fixed:_}"
        yield Finding("tokenizer.vocab_size", f"the {what} alone are {fixed:,} tokens", fix)


def _sample_weights_known(tokenizer: TokenizerSection, corpus: CorpusSection) -> Iterator[Finding]:
    weights, path = tokenizer.sample.weights, "tokenizer.sample.weights"
    names = [source_name(source) for source in corpus.sources]
    for name, weight in weights.items():
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else ""
            fix = f"write one of: {', '.join(sorted(names))}"
            yield Finding(f"{path}.{name}", "the corpus has no such source", fix, hint)
        elif weight < 0:
            yield Finding(f"{path}.{name}", "a share cannot be negative", "give 0 or more")
    missing = [name for name in names if name not in weights] if weights else []
    if missing:
        yield Finding(
            path,
            f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no weight",
            f"give every source of the corpus a weight; 0 leaves a source out: {missing[0]}: 0",
        )
    if weights and not any(weight > 0 for weight in weights.values()):
        yield Finding(path, "no source has a weight above 0: there would be no text", "give one a weight above 0")


def _compared_tokenizers_there(tokenizer: TokenizerSection, base: Path) -> Iterator[Finding]:
    for number, name in enumerate(tokenizer.compare):
        path = f"tokenizer.compare[{number}]"
        try:
            found = find(name, base)
        except DataError as error:
            yield Finding(path, str(error), "correct or remove it")
            continue
        local = name.startswith((".", "/", "~")) or name.count("/") > 1 or name.endswith((".json", ".tiktoken"))
        if found is None and local:
            yield Finding(path, f"there is no {base / name}", "correct it; paths start from the recipe")
        elif found is not None and found.is_dir() and not (found / "tokenizer.json").is_file():
            yield Finding(path, f"{found} holds no tokenizer.json", "write a folder that `save_pretrained` has written")


def _named(tokenizer: TokenizerSection) -> dict[str, str]:
    return {name: token for name in NAMED_TOKENS if (token := getattr(tokenizer, name)) is not None}


RULES = [
    Rule(
        "tokenizer_keys_of_algorithm",
        "Keys of `tokenizer` belong to its algorithm and pre-tokenizer.",
        "A key that is not read changes nothing, and the reader of the recipe believes that it does.",
        _keys_of_algorithm,
    ),
    Rule(
        "pre_tokenizer_fits",
        "`wordpiece` takes text apart as `bert`, `unigram` as `metaspace`, `bpe` as `byte_level` or `metaspace`.",
        "The other pairs are no tokenizer of any published model, and some lose text.",
        _pre_tokenizer_fits,
    ),
    Rule(
        "pretrained_tokenizer_there",
        "A pretrained tokenizer has a name, and the folder, where it is one, holds a tokenizer.",
        "It would be missed only after the corpus is built.",
        _pretrained_there,
    ),
    Rule(
        "pad_token_is_its_own",
        "The padding token is no other special token.",
        "Padding is never a target: a model whose end of document is padding never learns to stop.",
        _pad_token_is_its_own,
    ),
    Rule(
        "special_tokens_differ",
        "Special tokens differ, but BOS may be EOS (GPT-2) or CLS, and EOS may be SEP (RoBERTa).",
        "A mask that is also the unknown token, say, would be a target and a hole at once.",
        _special_tokens_differ,
    ),
    Rule(
        "special_tokens_stand_apart",
        "A special token has a letter or digit and a mark after it, as in `<s>`, and no white space or colon.",
        "No token that is learned from text has both, so text never turns into a special token by itself.",
        _special_tokens_stand_apart,
    ),
    Rule(
        "needed_tokens_named",
        "Special tokens that the algorithm, the template, or the end of a document needs are not null.",
        "There would be no id to write in their places.",
        _needed_tokens_named,
    ),
    Rule(
        "vocabulary_has_room",
        "The vocabulary is larger than its special tokens and bytes.",
        "Nothing could be learned from the text.",
        _vocabulary_has_room,
    ),
    Rule(
        "sample_weights_known",
        "Weights of the tokenizer's sample name every source of the corpus, and one of them is above 0.",
        "A source with a misspelt name would be missing from the sample, and its language from the vocabulary.",
        _sample_weights_known,
    ),
    Rule(
        "compared_tokenizers_there",
        "Files and packages that `tokenizer.compare` names are there.",
        "The report would lack them, and be written only after the whole corpus is encoded.",
        _compared_tokenizers_there,
    ),
]
