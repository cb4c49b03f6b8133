"""A recipe before it is validated: plain values that remember where each of them was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

KeyPath = tuple[str | int, ...]
"""The way to a value: ``("corpus", "sources", 0, "path")``."""


@dataclass(frozen=True)
class Origin:
    """Where an effective value comes from; ``str()`` of it is what users read."""

    kind: Literal["default", "file", "command line", "derived"]
    text: str

    def __str__(self) -> str:
        """The text."""
        return self.text


DEFAULT = Origin("default", "default")
COMMAND_LINE = Origin("command line", "command line")


@dataclass(frozen=True)
class Node:
    """A scalar, a map of nodes or a list of nodes, and its origin."""

    value: object
    origin: Origin
    items: dict[str | int, Node] = field(default_factory=dict)
    """The children of a map (by key) or of a list (by index); empty for a scalar."""
    schema: object = None
    """What the whole file is, where it is no recipe; of the root only."""

    @property
    def is_map(self) -> bool:
        """Whether this is a map (an empty one too)."""
        return self.value is dict

    @property
    def is_list(self) -> bool:
        """Whether this is a list (an empty one too)."""
        return self.value is list

    def plain(self) -> object:
        """The value without origins: dict, list, or scalar."""
        if self.is_map:
            return {key: child.plain() for key, child in self.items.items()}
        return [child.plain() for child in self.items.values()] if self.is_list else self.value

    def leaves(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
        """Every scalar, empty map and empty list, with its path."""
        if not self.items:
            yield path, self
        for key, child in self.items.items():
            yield from child.leaves((*path, key))

    def nearest(self, path: KeyPath) -> tuple[Node, bool]:
        """The node at ``path``, or the last one on the way there; and whether it is the former."""
        node = self
        for key in path:
            if key not in node.items:
                return node, False
            node = node.items[key]
        return node, True

    def with_child(self, key: str | int, child: Node) -> Node:
        """A copy in which ``child`` stands at ``key``."""
        return replace(self, items={**self.items, key: child})


def map_node(items: dict[str | int, Node], origin: Origin) -> Node:
    """A map."""
    return Node(dict, origin, items)


def list_node(items: list[Node], origin: Origin) -> Node:
    """A list."""
    return Node(list, origin, dict(enumerate(items)))


def dotted(path: KeyPath) -> str:
    """``corpus.sources[0].path``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def key_path(text: str) -> KeyPath:
    """The reverse of ``dotted``; ``sources.0.path`` is understood too."""
    keys = text.replace("[", ".").replace("]", "").split(".")
    return tuple(int(key) if key.isdecimal() else key for key in keys)
