"""Weights to start from (``model.name_or_path``), and the keys of their config that the recipe leaves out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import DataError, ModelError
from pretraining.loading import loading
from pretraining.modeling.architectures import (
    MISSING,
    config_fields,
    known_configs,
    legacy_keys,
    own_name,
    positions_key,
)
from pretraining.modeling.config import ModelSection

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_NOT_TAKEN = {
    *("architectures", "model_type", "transformers_version", "dtype", "torch_dtype", "use_cache", "return_dict"),
    *("output_hidden_states", "output_attentions", "id2label", "label2id", "problem_type", "is_encoder_decoder"),
    *("chunk_size_feed_forward", "attn_implementation"),
}
"""Keys of a config that pretraining answers for, or that say nothing about the weights. Ids are the tokenizer's."""

NO_GENERATOR = "replaced_token_detection would need a generator that fits these weights, and there is none beside them"
"""Why a discriminator is not trained further."""


def local_folder(section: ModelSection, base: Path) -> Path | None:
    """The folder with the weights; None where there are none to start from, and for a repository of the hub.

    Args:
        base: folder that a relative path starts from.
    """
    folder = base / (section.name_or_path or "")
    return folder if section.name_or_path and folder.is_dir() else None


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a folder that ``save_pretrained`` has written.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    path = folder / "config.json"
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(f"{folder} holds no model: there is no config.json") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is damaged or cut short ({error})") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds no config: it is no map")
    return found


def taken_over(saved: Mapping[str, Any], section: ModelSection) -> dict[str, object]:
    """The keys of a saved config that the recipe leaves out, by the config's own names.

    Keys that the config does not declare are among them, because some classes read them all the same (T5's
    ``scale_decoder_outputs``); None where the class has another default.
    """
    architecture = section.architecture
    fields, given = config_fields(architecture), {own_name(architecture, key) for key in section.config_keys}
    taken: dict[str, object] = {}
    for key, value in ((own_name(architecture, key), value) for key, value in saved.items()):
        left_out = key in _NOT_TAKEN or key.startswith("_") or key.endswith("token_id") or key in given
        replaced = "rope_parameters" in given and _is_rotary(key)
        default = fields[key].default if key in fields else None
        if not (left_out or replaced or (value is None and default in (None, MISSING))):
            taken[key] = value
    return taken


def _is_rotary(key: str) -> bool:
    """Whether a key says something of rotary positions, of which configs have several spellings."""
    return "rope" in key or "rotary" in key


def contradictions(saved: Mapping[str, Any], section: ModelSection) -> list[tuple[str, object, object]]:
    """(key, value in the recipe, value of the weights) where the recipe describes a model of another build.

    Whole numbers and yes or no (sizes, layers, heads, tied embeddings) belong to the weights; rates, rotary values,
    windows and positions may change.
    """
    architecture, found = section.architecture, []
    own = {own_name(architecture, key): value for key, value in saved.items()}
    free = {own_name(architecture, "vocab_size"), positions_key(architecture), "sliding_window"}
    for key, value in section.config_keys.items():
        name = own_name(architecture, key)
        field = config_fields(architecture).get(name)
        there = own.get(name, field.default if field is not None else MISSING)
        counts = type(value) in (int, bool) and (there is None or type(there) in (int, bool))
        if counts and value != there and name not in free:
            found.append((key, value, there))
        if _is_rotary(name) and name != "rope_parameters" and name not in own and own.get("rope_parameters"):
            found.append((key, value, f"rope_parameters = {own['rope_parameters']}, which are changed as a whole"))
    return found


def inherited(section: ModelSection, base: Path) -> dict[str, object]:
    """``taken_over`` from a local folder; nothing where it cannot be read, of which the rules speak.

    The size of the vocabulary is not among it: it grows with the tokens that the run adds.
    """
    folder = local_folder(section, base)
    try:
        keys = taken_over(read_config(folder), section) if folder is not None else {}
    except ModelError:
        return {}
    known = {*config_fields(section.architecture), *legacy_keys(section.architecture)}
    known -= {own_name(section.architecture, "vocab_size")}
    return {key: value for key, value in keys.items() if key in known}


def damaged_weights(folder: Path) -> str | None:
    """What is wrong with the safetensors of a folder, by their headers alone; None where they look whole."""
    index, files = folder / "model.safetensors.index.json", ["model.safetensors"]
    try:
        if index.is_file():
            files = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        for path in (folder / name for name in files):
            if not path.is_file():
                return f"{path} is missing"
            with path.open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
                size = file.tell() + max(
                    (tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"), default=0
                )
            if path.stat().st_size != size:
                return f"{path} has {path.stat().st_size:,} of {size:,} bytes"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, MemoryError, OverflowError):
        return f"{index if index.is_file() else folder / files[0]} is damaged"
    return None


def other_architecture(section: ModelSection, saved: Mapping[str, Any]) -> str | None:
    """What is wrong with weights of another architecture; None where they are of this one."""
    kind = saved.get("model_type", "no architecture that their config names")
    if kind != section.architecture:
        return f"these are weights of {kind}, not of {section.architecture}"
    fields = config_fields(kind) if kind in known_configs() else {}
    if "is_decoder" in fields and fields["is_decoder"].default is False and saved.get("is_decoder"):
        return f"these are weights of a {kind} that was made a decoder (is_decoder: true), which reads one way only"
    return None


@dataclass(frozen=True)
class Start:
    """Weights to start from, found.

    Attributes:
        name: folder, or repository of the hub.
        options: how ``from_pretrained`` gets there.
        saved: their config, as it is saved.
    """

    section: ModelSection
    name: str
    options: dict[str, Any]
    saved: dict[str, Any]

    @classmethod
    def find(cls, section: ModelSection, base: Path) -> Start:
        """The weights of ``model.name_or_path``.

        Raises:
            ModelError: they belong to a model of another build, or their config cannot be read.
            DataError: the hub has none, or cannot be reached.
        """
        from transformers import PreTrainedConfig
        from transformers.utils.hub import resolve_revision

        from pretraining.tokenization.pretrained import hub_answers

        options: dict[str, Any]
        folder, name, revision = local_folder(section, base), section.name_or_path or "", section.revision or "main"
        if folder is not None:
            name, options, saved = str(folder), {"local_files_only": True}, read_config(folder)
        else:
            options = {"local_files_only": not hub_answers(name, revision)}
            options["revision"] = resolve_revision(name, revision, **options)
            with loading(name):
                saved = dict(PreTrainedConfig.get_config_dict(name, **options)[0])
        if wrong := other_architecture(section, saved):
            raise ModelError(f"model.name_or_path = {section.name_or_path}: {wrong}")
        wrongs = [f"model.{key} = {value}, they have {there}" for key, value, there in contradictions(saved, section)]
        if wrongs:
            raise ModelError(
                f"the recipe contradicts the weights of {section.name_or_path}: {'; '.join(wrongs)}; remove what "
                "they say themselves"
            )
        return cls(section, name, options, saved)

    def keys(self) -> dict[str, object]:
        """Those of the config that the recipe leaves out."""
        return taken_over(self.saved, self.section)

    @property
    def rows(self) -> int:
        """Rows of the embedding."""
        key = own_name(self.section.architecture, "vocab_size")
        return int(self.saved.get(key, config_fields(self.section.architecture)[key].default))

    def load(self, auto: Any, config: PreTrainedConfig, tokenizer: Any, say: Callable[[str], None]) -> PreTrainedModel:
        """The model in float32; what the weights lack is drawn from torch's generator.

        A vocabulary that is larger than that of the weights gets further rows in the embeddings.

        Args:
            auto: an auto class of transformers.
            config: with a row for each token of ``tokenizer``.
            say: told what was taken over, what is new and what is not used.

        Raises:
            ModelError: the weights know other ids or other sizes, or are of a model with other layers.
            DataError: they cannot be read.
        """
        import torch

        self._check_ids(tokenizer, say)
        size, config.vocab_size = config.vocab_size, self.rows
        if size < self.rows:
            raise ModelError(
                f"model.vocab_size = {size:,}: the weights of {self.section.name_or_path} have {self.rows:,} rows; "
                "remove it, or write as many or more"
            )
        with loading(self.name):
            model, about = auto.from_pretrained(
                self.name,
                config=config,
                attn_implementation=self.section.attn_implementation,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,  # they are told below, with what to do
                output_loading_info=True,
                **self.options,
            )
        self._check_loaded(model, about)
        commit = getattr(self.options.get("revision"), "resolved", None)  # main may be another one tomorrow
        lines = [f"weights to start from: {self.section.name_or_path}" + (f" (commit {commit})" if commit else "")]
        lines += [f"new: {_modules(about['missing_keys'])}"] if about["missing_keys"] else []
        lines += [f"not used: {_modules(about['unexpected_keys'])}"] if about["unexpected_keys"] else []
        if size > self.rows:
            lines.append(f"{size - self.rows:,} new rows in the embeddings")
            _grow(model, size)
        say("; ".join(lines))
        loaded: PreTrainedModel = model
        return loaded

    def _check_ids(self, tokenizer: Any, say: Callable[[str], None]) -> None:
        """Each token of the tokenizer that stands beside the weights has its id in that of the run."""
        from transformers import AutoTokenizer

        known: dict[str, int] = {}
        with contextlib.suppress(DataError), loading(self.name):
            theirs = AutoTokenizer.from_pretrained(self.name, **self.options)
            known = theirs.get_vocab()
        # Without files of its own, some classes of transformers give a tokenizer of nothing but special tokens.
        if not known.keys() - set(theirs.all_special_tokens if known else ()):
            say(f"{self.section.name_or_path} has no tokenizer beside its weights: whether its ids are ours is unknown")
            return
        ours = tokenizer.get_vocab()
        other = [token for token, number in known.items() if ours.get(token) != number]
        if other:
            token = min(other, key=known.__getitem__)
            raise ModelError(
                f"model.name_or_path = {self.section.name_or_path}: its tokenizer and that of this run disagree about "
                f"{len(other):,} of {len(known):,} tokens ({token!r} is {known[token]} there, {ours.get(token)} here); "
                "set tokenizer.algorithm: pretrained and tokenizer.name_or_path to where the weights are"
            )

    def _check_loaded(self, model: Any, about: Mapping[str, Any]) -> None:
        """Every weight that is there has its size, and all are there but those of heads and poolers."""
        where = f"model.name_or_path = {self.section.name_or_path}"
        if other := sorted(about["mismatched_keys"]):
            key, there, here = other[0]
            raise ModelError(
                f"{where}: {len(other):,} weights have other sizes than the recipe's model ({key} is {tuple(there)} "
                f"there, {tuple(here)} here); remove the keys of `model` that set them: those that are left out are "
                "taken from the weights"
            )
        body = {id(weight) for weight in model.base_model.parameters()}
        lacking = [
            name
            for name, weight in model.named_parameters()
            if name in about["missing_keys"] and id(weight) in body and "pooler" not in name
        ]
        if lacking:
            raise ModelError(
                f"{where}: {len(lacking):,} weights of the {self.section.architecture} itself are not there, and would "
                f"be random ({lacking[0]} first); is it a whole model, and a decoder where one is needed?"
            )


def _grow(model: PreTrainedModel, size: int) -> None:
    """More rows for the embeddings; a head with weights of its own keeps them.

    transformers 5 calls T5 v1.1 tied, leaves its head apart when it is read, and would tie it here.
    """
    import torch

    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    own = head.weight.detach().clone() if head is not None and head.weight is not embedding.weight else None
    model.resize_token_embeddings(size, mean_resizing=False)
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    if own is not None and head.weight is embedding.weight:
        grown = embedding.weight.detach().clone()
        grown[: len(own)] = own
        head.weight, head.out_features = torch.nn.Parameter(grown), size


def _modules(keys: set[str]) -> str:
    """The modules of some weights, shortened."""
    names = sorted({key.rpartition(".")[0] or key for key in keys})
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
