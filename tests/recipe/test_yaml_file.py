"""YAML: scalars, lines, and files that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.errors import Problem, RecipeError
from pretraining.recipe.tree import COMMAND_LINE, Origin, map_node
from pretraining.recipe.yaml_file import parse_value, read_yaml, scalar, to_yaml

Write = Callable[[str, str], Path]


def refused(path: Path) -> Problem:
    """The one problem for which a file is refused."""
    with pytest.raises(RecipeError) as caught:
        read_yaml(path)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("1_000_000", 1_000_000),
        ("-3", -3),
        ("1e-3", 0.001),
        ("3e-4", 0.0003),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1_000.5", 1000.5),
        (".inf", float("inf")),
    ],
)
def test_scalars_with_a_meaning(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["no", "yes", "on", "off", "True", "ture", "0x10", "1__0", "12:30", "e5", ".", "1e", "_1"]
)
def test_everything_else_is_a_word(text: str) -> None:
    assert scalar(text) == text


def test_every_key_knows_its_line(write: Write) -> None:
    tree, problems = read_yaml(write("a.yaml", "name: x\nmodel:\n  hidden_size:\n    64\nlist:\n  - {a: 1}\n"))
    assert problems == []
    assert tree.items["name"].origin == Origin("file", "a.yaml:1")
    assert str(tree.items["model"].items["hidden_size"].origin) == "a.yaml:3"  # of the key, not of the value
    assert str(tree.items["list"].items[0].items["a"].origin) == "a.yaml:6"


def test_quoted_scalars_are_text_and_anchors_work(write: Write) -> None:
    tree, _ = read_yaml(write("a.yaml", "a: '1'\nb: \"true\"\nc: |\n  5\nd: &x {e: 1}\nf: *x\n"))
    assert tree.plain() == {"a": "1", "b": "true", "c": "5\n", "d": {"e": 1}, "f": {"e": 1}}


def test_a_duplicate_key_is_reported_with_both_lines_and_reading_goes_on(write: Write) -> None:
    tree, (problem,) = read_yaml(write("a.yaml", "model:\n  a: 1\n  b: 2\n  a: 3\n"))
    assert (problem.rule, problem.path, problem.where) == ("duplicate_key", "model.a", "a.yaml:4")
    assert "a.yaml:2 and a.yaml:4" in problem.message
    assert tree.plain() == {"model": {"a": 3, "b": 2}}


def test_a_tab_is_called_by_its_name(write: Write) -> None:
    problem = refused(write("a.yaml", "model:\n\ta: 1\n"))
    assert (problem.rule, problem.where) == ("yaml_syntax", "a.yaml:2")
    assert problem.fix == "YAML forbids tabs for indentation; use spaces"


def test_a_syntax_error_gives_line_and_column(write: Write) -> None:
    problem = refused(write("a.yaml", "name: x\nlist: [1, 2\nmodel: 3\n"))
    assert (problem.rule, problem.where) == ("yaml_syntax", "a.yaml:3")
    assert "column 6" in problem.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a\n- b\n", "the file is a list or a single value"),
        ("just words\n", "the file is a list or a single value"),
        ("a: 1\n---\nb: 2\n", "a second document begins here"),
    ],
)
def test_the_top_of_a_file_is_one_map(write: Write, text: str, message: str) -> None:
    problem = refused(write("a.yaml", text))
    assert (problem.rule, problem.message) == ("yaml_syntax", message)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00n\x00a", b"name: caf\xe9\n", bytes(range(256))])
def test_a_file_that_is_not_utf8(write: Write, content: bytes) -> None:
    path = write("a.yaml", "")
    path.write_bytes(content)
    problem = refused(path)
    assert problem.rule == "unreadable_file"
    assert "not UTF-8" in problem.message


def test_a_control_character_is_no_traceback(write: Write) -> None:
    path = write("a.yaml", "")
    path.write_bytes(b"name: x\x00y\n")
    assert refused(path).rule == "yaml_syntax"


def test_merge_keys_and_odd_keys_are_reported(write: Write) -> None:
    _, problems = read_yaml(write("a.yaml", "a: &x {b: 1}\nc:\n  <<: *x\n? [d]\n: 1\n"))
    assert [(p.rule, p.path, p.where) for p in problems] == [
        ("yaml_syntax", "c.<<", "a.yaml:3"),
        ("yaml_syntax", "", "a.yaml:4"),
    ]


def test_an_alias_inside_its_own_anchor_ends(write: Write) -> None:
    _, (problem,) = read_yaml(write("a.yaml", "a: &x\n  b: *x\n"))
    assert (problem.path, problem.message) == ("a.b", "an alias stands inside its own anchor")


def test_values_from_the_command_line() -> None:
    assert parse_value("{steps: 1_0}", COMMAND_LINE).plain() == {"steps": 10}
    assert parse_value("[a, 1e-3, no]", COMMAND_LINE).plain() == ["a", 0.001, "no"]
    assert parse_value("", COMMAND_LINE).plain() is None
    assert parse_value("x y", COMMAND_LINE).origin == COMMAND_LINE


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text("abe_-+.:~#'\"\\ \n123truno", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_written_is_read_back(value: object) -> None:
    read = parse_value(to_yaml({"key": value}), COMMAND_LINE)
    assert read.plain() == {"key": value}
    assert (
        repr(read.plain()) == repr(map_node({"key": read.items["key"]}, COMMAND_LINE).plain()) == repr({"key": value})
    )
