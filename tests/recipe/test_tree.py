"""The tree of values with origins."""

from __future__ import annotations

import pytest

from pretraining.recipe.tree import DEFAULT, Node, dotted, key_path, list_node, map_node

TREE = map_node(
    {"a": list_node([map_node({"b": Node(1, DEFAULT)}, DEFAULT)], DEFAULT), "c": map_node({}, DEFAULT)}, DEFAULT
)


def test_plain_gives_the_values_back() -> None:
    assert TREE.plain() == {"a": [{"b": 1}], "c": {}}


def test_leaves_are_scalars_and_empty_maps() -> None:
    assert [(path, node.plain()) for path, node in TREE.leaves()] == [(("a", 0, "b"), 1), (("c",), {})]


def test_nearest_stops_where_the_tree_ends() -> None:
    assert TREE.nearest(("a", 0, "b")) == (Node(1, DEFAULT), True)
    node, there = TREE.nearest(("a", 0, "missing", "more"))
    assert node.plain() == {"b": 1}
    assert not there


@pytest.mark.parametrize("path", [("name",), ("corpus", "sources", 0, "path"), ("model", "layer_types", 12)])
def test_dotted_and_key_path_are_each_others_reverse(path: tuple[str | int, ...]) -> None:
    assert key_path(dotted(path)) == path


def test_an_index_may_be_written_with_a_point() -> None:
    assert key_path("corpus.sources.0.path") == key_path("corpus.sources[0].path")
