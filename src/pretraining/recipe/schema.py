"""Questions about the schema: which type stands at a path, which keys are valid there, what a key means."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Tag

from pretraining.recipe.config import Recipe
from pretraining.recipe.tree import KeyPath, Node
from pretraining.section import Duration, Section, fields, help_texts


def options(annotation: object) -> list[object]:
    """The members of a union without None, or the annotation itself; ``Annotated`` is looked through."""
    if get_origin(annotation) is Annotated:
        return options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [each for member in get_args(annotation) if member is not type(None) for each in options(member)]
    return [annotation]


def sections_in(annotation: object) -> list[type[Section]]:
    """The kinds of map that may stand where ``annotation`` does."""
    return [each for each in options(annotation) if isinstance(each, type) and issubclass(each, Section)]


def tag(section: type[Section]) -> str | None:
    """The ``type:`` by which a member of a union is chosen."""
    field = section.model_fields.get("type")
    words = get_args(field.annotation) if field is not None else ()
    return str(words[0]) if len(words) == 1 else None


def choose(annotation: object, node: Node | None) -> type[Section] | None:
    """The kind of map that ``node`` is: the only one possible, or the one whose ``type`` it gives."""
    kinds = sections_in(annotation)
    if len(kinds) == 1:
        return kinds[0]
    given = node.items["type"].value if node is not None and "type" in node.items else None
    return next((kind for kind in kinds if given is not None and tag(kind) == given), None)


def child(annotation: object, key: str | int, node: Node | None) -> object:
    """The type of what stands at ``key``; ``Any`` where the schema does not say."""
    if isinstance(key, int):
        lists = [each for each in options(annotation) if get_origin(each) is list]
        return get_args(lists[0])[0] if lists else Any
    kind = choose(annotation, node)
    return fields(kind)[key].annotation if kind is not None and key in fields(kind) else Any


def type_at(path: KeyPath, tree: Node) -> object:
    """The type that the schema asks for at ``path``, or ``Any``."""
    annotation: object = tree.schema or Recipe
    node: Node | None = tree
    for key in path:
        annotation = child(annotation, key, node)
        node = node.items.get(key) if node is not None else None
    return annotation


def is_duration(path: KeyPath, tree: Node) -> bool:
    """Whether a duration stands at ``path``."""
    return sections_in(type_at(path, tree)) == [Duration]


def valid_keys(path: KeyPath, tree: Node) -> list[str]:
    """The keys that the map at ``path`` may have, as far as the schema says; none where it does not."""
    kind = choose(type_at(path, tree), tree.nearest(path)[0])
    return list(fields(kind)) if kind is not None else []


def description(path: KeyPath, tree: Node) -> str:
    """The help text of the key at ``path``: the docstring beside it in the code."""
    node, _ = tree.nearest(path[:-1])
    kind = choose(type_at(path[:-1], tree), node)
    return " ".join(help_texts(kind).get(str(path[-1]), "").split()) if kind is not None else ""


def plain_path(location: Sequence[str | int], tree: Node) -> KeyPath:
    """A location of pydantic as a path of the recipe: without the tags by which unions were resolved."""
    path: list[str | int] = []
    annotation: object = tree.schema or Recipe
    node: Node | None = tree
    for part in location:
        member = next((each for name, each in _tagged(annotation) if name == part), None)
        if member is not None:
            annotation = member
            continue
        path.append(part)
        annotation = child(annotation, part, node)
        node = node.items.get(part) if node is not None else None
    return tuple(path)


def _tagged(annotation: object) -> list[tuple[str | None, object]]:
    """The members of a union with the tags by which pydantic tells them apart: a ``type:``, or a ``Tag``."""
    kinds = sections_in(annotation)
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()
    marked = [(mark.tag, each) for each in members for mark in getattr(each, "__metadata__", ()) if type(mark) is Tag]
    return [*marked, *((tag(kind), kind) for kind in kinds if len(kinds) > 1)]


def did_you_mean(word: object, candidates: Iterable[str]) -> str:
    """``did you mean ...?`` when one of ``candidates`` is near ``word``, whatever the case, else nothing."""
    lower = {each.lower(): each for each in candidates}
    near = difflib.get_close_matches(str(word).lower(), lower, n=1, cutoff=0.6)
    return f"did you mean {lower[near[0]]}?" if near else ""


def choices(annotation: object) -> list[str]:
    """The words that a ``Literal`` allows, or the tags of a union of sections."""
    words = [str(word) for each in options(annotation) if get_origin(each) is typing.Literal for word in get_args(each)]
    return words or [word for kind in sections_in(annotation) if (word := tag(kind)) is not None]


def all_sections(root: type[Section]) -> Iterator[type[Section]]:
    """Every kind of map that may stand in a file of this kind, ``root`` first, each once."""
    seen: dict[type[Section], None] = {root: None}
    waiting = [root]
    while waiting:
        kind = waiting.pop()
        yield kind
        for field in kind.model_fields.values():
            lists = [member for each in options(field.annotation) for member in get_args(each)]
            for inner in (field.annotation, *lists):
                new = [each for each in sections_in(inner) if each not in seen]
                seen.update(dict.fromkeys(new))
                waiting += new
