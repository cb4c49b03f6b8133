"""The lists of the ``url_filter`` step: datatrove's, as sorted hashes in a file, and the user's own."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from xxhash import xxh3_64_intdigest

from pretraining.errors import DataError

NO_LETTER_OR_DIGIT = re.compile("[^a-zA-Z0-9]+")
ARCHIVE = "url_filterblacklistsv0_3_0.tar.gz"


class HashSet:
    """A set of strings, of which only 64-bit hashes are kept, in a file that is mapped into memory.

    Args:
        path: a sorted uint64 ``.npy``; None: the empty set.
    """

    def __init__(self, path: Path | None) -> None:
        empty = np.empty(0, dtype=np.uint64)
        self._hashes = empty if path is None else np.load(path, mmap_mode="r").view(np.ndarray)

    def __contains__(self, text: str) -> bool:
        value = np.uint64(xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")))
        place = int(self._hashes.searchsorted(value))
        return bool(text) and place < len(self._hashes) and bool(self._hashes[place] == value)


def stock_assets() -> Path:
    """The folder in which datatrove is installed with its lists."""
    spec = find_spec("datatrove")
    assert spec is not None and spec.submodule_search_locations is not None  # a requirement of this package
    return Path(spec.submodule_search_locations[0]) / "assets"


def stock_archive() -> Path:
    """The archive of datatrove's lists ``domains`` and ``urls``.

    Raises:
        DataError: it is not there.
    """
    path = stock_assets() / ARCHIVE
    if not path.is_file():
        raise DataError(
            f"url_filter: datatrove's lists are expected at {path}, where there is no such file\n"
            "    install datatrove==0.10.1, or set `stock_lists: false` and give your own `block`"
        )
    return path


def write_stock_lists(archive: Path, folder: Path) -> None:
    """``domains.npy`` and ``urls.npy``: the sorted hashes of the lists in the archive, 8 bytes an entry.

    Raises:
        DataError: a list is missing in the archive.
    """
    missing = {"domains", "urls"}
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            lines = tar.extractfile(member)
            if lines is None or member.name not in missing:
                continue
            entries = (line.strip() for line in lines if not line.startswith(b"#"))
            hashes = np.fromiter(map(xxh3_64_intdigest, entries), dtype=np.uint64)
            hashes.sort()
            np.save(folder / f"{member.name}.npy", hashes)
            missing.remove(member.name)
    if missing:
        raise DataError(f"url_filter: {archive} holds no list named {' and '.join(sorted(missing))}")


def stock_words(name: str) -> set[str]:
    """One of datatrove's word lists, as its filter reads it: lines that start with ``#`` are comments.

    Args:
        name: ``banned_words``, ``soft_banned_words`` or ``banned_subwords``.

    Raises:
        DataError: it is not there.
    """
    path = stock_assets() / f"{name}.txt"
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise DataError(
            f"url_filter: datatrove's list {path} cannot be read: {error.strerror}\n    install datatrove==0.10.1"
        ) from error
    return normalized_words(line for line in lines if line[:1] != "#")


def normalized_words(words: Iterable[str]) -> set[str]:
    """In lower case, without what is no ASCII letter or digit; words of which nothing is left are none."""
    return {NO_LETTER_OR_DIGIT.sub("", word).lower() for word in words} - {""}


def own_list(given: list[str] | str, key: str, base: Path) -> list[str]:
    """The entries of ``block`` or ``allow``: as listed, or the lines of a file; blank ones and comments are none.

    Raises:
        DataError: the file cannot be read.
    """
    if isinstance(given, str):
        path = base / given
        try:
            given = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"url_filter: `{key}` names the file {path}, which cannot be read: {error}\n"
                "    give a UTF-8 text file with one domain or URL a line, or a list"
            ) from error
    return [entry.strip() for entry in given if entry.strip() and not entry.startswith("#")]
