from __future__ import annotations

import hashlib
import importlib
import sys
import time
from pathlib import Path

import pytest

from pretraining.corpus import assets
from pretraining.corpus.assets import ASSETS, VARIABLE, Asset, MissingAsset, find_asset
from pretraining.errors import DataError

CONTENT = b"a small model"


@pytest.fixture
def asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """A registered asset that a package ships, on a machine without any."""
    made = Asset(
        "tiny.model",
        hashlib.sha256(CONTENT).hexdigest(),
        len(CONTENT),
        "CC-BY-4.0",
        "fetch https://example.org/tiny.model into {folder}",
        package="package_with_a_model/data/tiny.model",
        system=str(tmp_path / "system/*/tiny.model"),
    )
    monkeypatch.setitem(ASSETS, made.file, made)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return made


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    importlib.invalidate_caches()
    return path


def test_places_in_their_order(asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = put(tmp_path / "cache/pretraining/assets/tiny.model")
    assert find_asset("tiny.model", tmp_path) == cached
    system = put(tmp_path / "system/x86_64/tiny.model")
    assert find_asset("tiny.model", tmp_path) == system
    put(tmp_path / "site/package_with_a_model/__init__.py", b"raise RuntimeError('imported')")
    shipped = put(tmp_path / "site/package_with_a_model/data/tiny.model")
    assert find_asset("tiny.model", tmp_path) == shipped
    assert "package_with_a_model" not in sys.modules
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert find_asset("tiny.model", tmp_path) == shipped
    mine = put(tmp_path / "mine/tiny.model")
    assert find_asset("tiny.model", tmp_path) == mine


def test_a_missing_asset_says_everything_at_once(asset: Asset, tmp_path: Path) -> None:
    start = time.perf_counter()
    with pytest.raises(MissingAsset) as caught:
        find_asset("tiny.model", tmp_path)
    assert time.perf_counter() - start < 0.5
    message = str(caught.value)
    folder = tmp_path / "cache/pretraining/assets"
    assert "the asset tiny.model is not on this machine" in message
    assert str(folder / "tiny.model") in message
    assert asset.sha256 in message
    assert "13 bytes, licence CC-BY-4.0" in message
    assert f"fetch https://example.org/tiny.model into {folder}" in message


@pytest.mark.parametrize("content", [b"something else altogether", b"A small model"])
def test_another_file_of_the_name_is_an_error(asset: Asset, tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "cache/pretraining/assets/tiny.model", content)
    with pytest.raises(DataError, match=r"is not the tiny\.model that is registered") as caught:
        find_asset("tiny.model", tmp_path)
    assert not isinstance(caught.value, MissingAsset)
    assert asset.sha256 in str(caught.value)


def test_a_file_that_changes_is_hashed_again(asset: Asset, tmp_path: Path) -> None:
    path = put(tmp_path / "cache/pretraining/assets/tiny.model")
    find_asset("tiny.model", tmp_path)
    put(path, b"a shall model")
    with pytest.raises(DataError, match="is not the"):
        find_asset("tiny.model", tmp_path)


def test_a_path_is_taken_as_it_is(asset: Asset, tmp_path: Path) -> None:
    own = put(tmp_path / "models/own.bin", b"whatever")
    assert find_asset("models/own.bin", tmp_path) == own
    assert find_asset(str(own), Path("/")) == own


def test_a_path_with_a_registered_name_must_be_that_file(asset: Asset, tmp_path: Path) -> None:
    good = put(tmp_path / "good/tiny.model")
    put(tmp_path / "bad/tiny.model", b"whatever")
    assert find_asset("good/tiny.model", tmp_path) == good
    with pytest.raises(DataError, match="is not the"):
        find_asset("bad/tiny.model", tmp_path)


def test_a_path_that_is_not_there(asset: Asset, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*absent\.bin\n.*registered asset: lid\.176\.ftz"):
        find_asset("absent.bin", tmp_path)
    with pytest.raises(DataError, match="there is no file") as caught:
        find_asset("elsewhere/tiny.model", tmp_path)
    assert asset.sha256 in str(caught.value)


def test_the_registry_is_complete() -> None:
    for name, asset in assets.ASSETS.items():
        assert name == asset.file
        assert len(asset.sha256) == 64
        assert asset.size > 0 and asset.license and asset.get
