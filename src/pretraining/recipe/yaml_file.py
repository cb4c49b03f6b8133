"""One YAML file as a tree that knows the line of every value.

Scalars follow the core schema of YAML 1.2, with underscores in numbers: only ``true`` and ``false`` are booleans
(``no`` and ``on`` are words), ``3e-4`` is a number, ``2_000_000`` is an integer. PyYAML's own rules are those of
YAML 1.1, in which the first two are wrong, so it only finds the structure here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

from pretraining.errors import Problem, RecipeError
from pretraining.recipe.tree import KeyPath, Node, Origin, dotted, list_node, map_node

_INTEGER = re.compile(r"[-+]?[0-9](?:_?[0-9])*")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9](?:_?[0-9])*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None, "~": None, "": None}
_WORDS |= {".inf": float("inf"), "-.inf": -float("inf"), ".nan": float("nan")}


def scalar(text: str) -> object:
    """The value of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Dumper(yaml.SafeDumper):
    """Quotes the words that ``scalar`` would read as something else."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = scalar(text) == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text_node)


def to_yaml(data: object) -> str:
    """Plain data as YAML that ``read_yaml`` reads back as it was."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def shown(path: Path) -> str:
    """``path`` as messages show it: relative to the current folder where it lies inside."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def parse_value(text: str, origin: Origin) -> Node:
    """A value from the command line: a scalar, ``[a, b]`` or ``{a: b}``.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    document = yaml.compose(text, Loader=yaml.BaseLoader)
    builder = _Builder(lambda _: origin)
    tree = Node(None, origin) if document is None else builder.node(document)
    if builder.problems:
        raise yaml.YAMLError(builder.problems[0].message)
    return tree


def read_yaml(path: Path) -> tuple[Node, list[Problem]]:
    """The tree of a YAML file, and the problems that do not keep it from being read (duplicate keys).

    Raises:
        RecipeError: the file cannot be read, is not UTF-8, is not YAML, or its top level is not a map.
    """
    name = shown(path)
    try:
        documents = list(yaml.compose_all(_text(path, name), Loader=yaml.BaseLoader))
    except yaml.YAMLError as error:
        raise RecipeError([_syntax_problem(path, name, error)]) from error
    if len(documents) > 1:
        line = documents[1].start_mark.line + 1
        fix = "keep one recipe in one file; remove the ---"
        raise _unusable(name, f"{name}:{line}", "a second document begins here", fix)
    if not documents or not isinstance(documents[0], yaml.MappingNode):
        what = "is a list or a single value" if documents and documents[0] is not None else "is empty"
        fix = "write the recipe as a map: name: ..., corpus: ..., model: ..."
        raise _unusable(name, name, f"the file {what}", fix)
    builder = _Builder(lambda node: Origin("file", f"{name}:{node.start_mark.line + 1}"))
    return builder.node(documents[0]), builder.problems


def _unusable(name: str, where: str, message: str, fix: str, rule: str = "yaml_syntax") -> RecipeError:
    return RecipeError([Problem(rule, Path(name).name, message, fix, where=where)])


def _text(path: Path, name: str) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8, so this is not a text file in the encoding of YAML"
        raise _unusable(name, name, message, "save the recipe as UTF-8 text", "unreadable_file") from error
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        raise _unusable(name, name, message, "give the path of a readable YAML file", "unreadable_file") from error


def _syntax_problem(path: Path, name: str, error: yaml.YAMLError) -> Problem:
    """A YAML error in plain words; its favourite cause, a tab, by name."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:  # a control character, found before there are lines
        return Problem("yaml_syntax", path.name, f"not YAML: {error}", "save the recipe as plain text", where=name)
    line = path.read_text(encoding="utf-8-sig").split("\n")[mark.line : mark.line + 1]
    where = f"{name}:{mark.line + 1}"
    if line and "\t" in line[0][: len(line[0]) - len(line[0].lstrip())]:
        fix = "YAML forbids tabs for indentation; use spaces"
        return Problem("yaml_syntax", path.name, "the line is indented with a tab", fix, where=where)
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    message = f"column {mark.column + 1}: {', '.join(part for part in parts if part)}"
    fix = "correct the YAML here or on the line before: a missing ':', quote or bracket, or uneven indentation"
    return Problem("yaml_syntax", path.name, message, fix, where=where)


class _Builder:
    """Turns PyYAML's nodes into a tree, and notes what is wrong on the way."""

    def __init__(self, origin: Callable[[yaml.Node], Origin]) -> None:
        self.origin = origin
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []  # the maps and lists around the current node

    def node(self, node: yaml.Node, path: KeyPath = ()) -> Node:
        origin = self.origin(node)
        if isinstance(node, yaml.ScalarNode):
            return Node(scalar(node.value) if node.style is None else node.value, origin)
        if any(node is outer for outer in self._open):
            self._note(node, path, "an alias stands inside its own anchor", "write the value out")
            return Node(None, origin)
        self._open.append(node)
        if isinstance(node, yaml.SequenceNode):
            tree = list_node([self.node(child, (*path, i)) for i, child in enumerate(node.value)], origin)
        else:
            tree = map_node(self._items(node, path), origin)
        self._open.pop()
        return tree

    def _items(self, node: yaml.Node, path: KeyPath) -> dict[str | int, Node]:
        items: dict[str | int, Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._note(key, path, "a key is a list or a map", "write a word as the key")
                continue
            here, origin = (*path, key.value), self.origin(key)
            if key.value == "<<" and key.style is None:
                self._note(key, here, "merge keys do not belong to YAML 1.2", "use `extends:`, or write the keys out")
                continue
            if key.value in items:
                lines = f"{items[key.value].origin} and {origin}"
                message = f"the key stands twice in the same map: {lines}"
                self._note(key, here, message, "keep one of the two lines", "duplicate_key")
            # The line of the key, not of the value: that is where a reader looks.
            items[key.value] = replace(self.node(value, here), origin=origin)
        return items

    def _note(self, node: yaml.Node, path: KeyPath, message: str, fix: str, rule: str = "yaml_syntax") -> None:
        self.problems.append(Problem(rule, dotted(path), message, fix, where=str(self.origin(node))))
