"""What the installed transformers says about its architectures, read from its source files.

Importing one config class of transformers takes seconds and brings torch with it, and ``pretrain check`` has to
answer in less than one. transformers 5 writes its configs as dataclasses with annotated attributes, so their keys
stand in the source text and ``ast`` finds them in a few milliseconds.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
"""The default of a field that has none, or none that is written as a literal."""

_BASE = "PreTrainedConfig"
# The base class takes these from its keyword arguments without declaring them.
_TAKEN_BY_BASE = frozenset({"per_layer_config"})
_ROPE_METHOD = "convert_rope_params_to_dict"


@dataclass(frozen=True)
class Field:
    """One key of a transformers config: its name, its annotation as written, its default when that is a literal."""

    name: str
    annotation: str
    default: object = MISSING


@dataclass(frozen=True)
class _Class:
    node: ast.ClassDef
    file: Path


def _transformers() -> Path:
    spec = find_spec("transformers")  # locates the package; does not run it
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("transformers is not installed")
    return Path(spec.origin).parent


def _literal(node: ast.AST | None, otherwise: object = MISSING) -> object:
    try:
        return ast.literal_eval(node) if node is not None else otherwise
    except (ValueError, TypeError, SyntaxError):
        return otherwise


def _pairs(file: str, variable: str) -> dict[str, str]:
    """The pairs of strings in ``variable = OrderedDict([...])`` and ``variable.update({...})`` of an auto module."""
    text = (_transformers() / "models" / "auto" / file).read_text(encoding="utf-8")
    tables = re.findall(rf"^{variable}(?:\.update\(|(?:: [^\n=]+)? = OrderedDict\().*?^\)", text, re.M | re.S)
    return dict(pair for table in tables for pair in re.findall(r'"([^"]+)"\s*[,:]\s*"([^"]+)"', table))


@cache
def _config_names() -> dict[str, str]:
    names = _pairs("auto_mappings.py", "CONFIG_MAPPING_NAMES")
    return {**names, **_pairs("configuration_auto.py", "CONFIG_MAPPING_NAMES"), "gpt-sw3": "GPT2Config"}


@cache
def _modules() -> dict[str, str]:
    variable = "SPECIAL_MODEL_TYPE_TO_MODULE_NAME"
    return {**_pairs("auto_mappings.py", variable), **_pairs("configuration_auto.py", variable), "gpt-sw3": "gpt2"}


@cache
def heads_in(mapping: str) -> frozenset[str]:
    """The ``model_type`` of every architecture in a table of transformers' ``modeling_auto``."""
    return frozenset(_pairs("modeling_auto.py", mapping))


@cache
def known_configs() -> frozenset[str]:
    """The ``model_type`` of every architecture with a config class."""
    return frozenset(_config_names())


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _class_in(file: Path, name: str) -> _Class | None:
    """The class ``name`` as the module ``file`` sees it: defined there, or imported from another of its package."""
    for node in _parsed(file).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _Class(node, file)
        if isinstance(node, ast.ImportFrom) and node.level and any((a.asname or a.name) == name for a in node.names):
            origin = next(a.name for a in node.names if (a.asname or a.name) == name)
            module = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            source = module.with_suffix(".py") if module.with_suffix(".py").is_file() else module / "__init__.py"
            return _class_in(source, origin)
    return None


def _ancestry(found: _Class) -> list[_Class]:
    """The class and all its bases inside transformers, nearest first."""
    classes = [found]
    if found.node.name == _BASE:  # of what it inherits, only the rotary embeddings have to do with keys
        rope = _class_in(_transformers() / "modeling_rope_utils.py", "RotaryEmbeddingConfigMixin")
        return classes + ([rope] if rope is not None else [])
    for base in found.node.bases:
        # Some import the common base from the package itself, which has no text to follow.
        file = _transformers() / "configuration_utils.py" if ast.unparse(base) == _BASE else found.file
        parent = _class_in(file, base.id) if isinstance(base, ast.Name) else None
        if parent is not None:
            classes.extend(_ancestry(parent))
    return classes


@cache
def _classes(model_type: str) -> tuple[_Class, ...]:
    folder = _transformers() / "models" / _modules().get(model_type, model_type.replace("-", "_"))
    name = _config_names()[model_type]
    for file in sorted(folder.glob("configuration_*.py")):
        found = _class_in(file, name)
        if found is not None:
            return tuple(_ancestry(found))
    raise KeyError(f"transformers has no config class {name} in {folder.name}")


def _declared(node: ast.ClassDef) -> dict[str, Field]:
    fields = {}
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            annotation = ast.unparse(line.annotation)
            if not annotation.startswith(("ClassVar", "typing.ClassVar")):
                value: ast.AST | None = line.value
                if isinstance(value, ast.Call):  # interval(min=0.0, max=1.0)(default=0.02)
                    value = next((k.value for k in value.keywords if k.arg == "default"), value)
                fields[line.target.id] = Field(line.target.id, annotation, _literal(value))
    return fields


def _method(node: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((line for line in node.body if isinstance(line, ast.FunctionDef) and line.name == name), None)


def _parameters(init: ast.FunctionDef) -> dict[str, Field]:
    """The parameters of an ``__init__`` written by hand, the old style of configs."""
    arguments = [*init.args.posonlyargs, *init.args.args][1:]
    padding: list[ast.expr | None] = [None] * (len(arguments) - len(init.args.defaults))
    pairs = [
        *zip(arguments, padding + list(init.args.defaults), strict=True),
        *zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True),
    ]
    return {
        a.arg: Field(a.arg, ast.unparse(a.annotation) if a.annotation else "Any", _literal(default))
        for a, default in pairs
    }


@cache
def config_fields(model_type: str) -> dict[str, Field]:
    """The keys that the config of ``model_type`` declares, those of its base classes included.

    Raises:
        KeyError: transformers does not know ``model_type``.
    """
    fields: dict[str, Field] = {}
    for found in reversed(_classes(model_type)):
        fields.update(_declared(found.node))
        init = _method(found.node, "__init__")
        if init is not None and found.node.name != _BASE:
            fields.update(_parameters(init))
    return fields


@cache
def aliases(model_type: str) -> dict[str, str]:
    """Other names of keys: ``{"hidden_size": "n_embd", ...}`` for gpt2 (the config's ``attribute_map``)."""
    for found in _classes(model_type):
        for line in found.node.body:
            targets = line.targets if isinstance(line, ast.Assign) else []
            if any(isinstance(target, ast.Name) and target.id == "attribute_map" for target in targets):
                mapping = _literal(line.value, {})  # type: ignore[attr-defined]
                return dict(mapping) if isinstance(mapping, dict) else {}
    return {}


def own_name(model_type: str, key: str) -> str:
    """The name under which the config of ``model_type`` keeps ``key``."""
    return aliases(model_type).get(key, key)


def _taken(method: ast.FunctionDef) -> set[str]:
    """The names in ``kwargs.pop("name", ...)`` and ``kwargs.get("name", ...)`` of a method."""
    names = set()
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("kwargs.pop", "kwargs.get") and node.args:
            name = _literal(node.args[0])
            if isinstance(name, str) and not name.startswith("_"):
                names.add(name)
    return names


@cache
def legacy_keys(model_type: str) -> frozenset[str]:
    """Keys that the config declares nowhere and still reads, such as ``rope_theta`` for llama."""
    names = set(_TAKEN_BY_BASE)
    for found in _classes(model_type):
        after = _method(found.node, "__post_init__")
        if after is not None and found.node.name != _BASE:
            names |= _taken(after)
    if "rope_parameters" in config_fields(model_type):
        methods = (_method(found.node, _ROPE_METHOD) for found in _classes(model_type))
        nearest = next((method for method in methods if method is not None), None)
        names |= _taken(nearest) if nearest is not None else set()
    return frozenset((names | _read_by_the_model(model_type)) - set(config_fields(model_type)))


def _read_by_the_model(model_type: str) -> set[str]:
    """Keys that the model itself asks an undeclaring config for: ``getattr(config, "position_buckets", -1)``."""
    return set(re.findall(r'getattr\((?:self\.)?config, "([a-z]\w*)"', _model_text(model_type)))


def recomputes(model_type: str) -> bool:
    """Whether the model knows gradient checkpointing."""
    return "supports_gradient_checkpointing = True" in _model_text(model_type)


def _model_text(model_type: str) -> str:
    folder = _transformers() / "models" / _modules().get(model_type, model_type.replace("-", "_"))
    return "".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob(f"modeling_{folder.name}.py")))


@cache
def divides_width_always(model_type: str) -> bool:
    """Whether the config refuses heads that do not divide the width even when ``head_dim`` is given (llama does)."""
    methods = (_method(found.node, "validate_architecture") for found in _classes(model_type))
    nearest = next((method for method in methods if method is not None), None)
    return nearest is not None and "self.hidden_size % self.num_attention_heads" in ast.unparse(nearest)


POSITION_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len")
"""Names that configs have for how many positions the model knows."""


def positions_key(model_type: str) -> str | None:
    """The key that holds how many positions the model knows (``n_positions`` for gpt2); None when it has none."""
    fields = config_fields(model_type)
    return next((own for key in POSITION_KEYS if (own := own_name(model_type, key)) in fields), None)
