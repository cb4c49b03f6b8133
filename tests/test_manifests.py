from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretraining.errors import RunFolderError
from pretraining.manifests import (
    digest,
    folder_digest,
    hardware,
    new_folder,
    read_json,
    run_lock,
    versions,
    write_json,
)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_digest_depends_on_content_not_on_order(data: dict[str, object]) -> None:
    assert digest(data) == digest(dict(reversed(data.items())))
    assert digest(data) != digest({**data, "one more key": 1})


def test_a_new_folder_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    final = tmp_path / "corpus"
    with pytest.raises(KeyboardInterrupt), new_folder(final) as output:
        (output / "half").write_text("x")
        raise KeyboardInterrupt
    assert not final.exists()
    with new_folder(final) as output:
        assert list(output.iterdir()) == []  # what the interrupted one left is gone
        (output / "whole").write_text("1")
        assert not final.exists()
    with new_folder(final) as output:
        (output / "other").write_text("2")
        assert (final / "whole").exists()  # the old result stays until the new one is complete
    assert [p.name for p in final.iterdir()] == ["other"]
    assert [p.name for p in tmp_path.iterdir()] == ["corpus"]


def test_folder_digest_sees_names_and_contents_but_not_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a").write_text("1")
    before = folder_digest(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    assert folder_digest(tmp_path) == before
    (tmp_path / "sub" / "a").write_text("2")
    changed = folder_digest(tmp_path)
    (tmp_path / "sub" / "a").rename(tmp_path / "sub" / "b")
    assert len({before, changed, folder_digest(tmp_path)}) == 3


def test_only_one_command_at_a_time(tmp_path: Path) -> None:
    with run_lock(tmp_path / "run"):
        message = rf"in use by another command \(process {os.getpid()}\)"
        with pytest.raises(RunFolderError, match=message), run_lock(tmp_path / "run"):
            pass
    with run_lock(tmp_path / "run"):
        pass


def test_json_is_complete_or_absent(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert read_json(path) is None
    path.write_text('{"half": ')
    assert read_json(path) is None
    write_json(path, {"a": "ü"})
    assert read_json(path) == {"a": "ü"} and "ü" in path.read_text("utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_versions_and_hardware_say_something() -> None:
    assert {"python", "pretraining-handbook", "torch", "transformers"} <= versions().keys()
    assert hardware()["cores"] >= 1 and hardware()["memory_gib"] > 0
