"""Which files a source names: found by looking at names only, so that ``pretrain check`` can do it too."""

from __future__ import annotations

import difflib
import glob
import importlib.metadata
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from pretraining.corpus.config import PackageSource, ParquetSource, Source, TextSource
from pretraining.errors import DataError

COMPRESSIONS = (".gz", ".zst")
SUFFIXES = {"text": (".txt", ".md"), "jsonl": (".jsonl", ".ndjson"), "parquet": (".parquet",)}
"""What is taken from a folder; a glob takes whatever it matches."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a source. ``relative`` is its path below the root of the source, with ``/``; ``size`` is in bytes."""

    source: str
    path: str
    relative: str
    size: int


class SourceError(DataError):
    """A source that cannot be read at all: what is wrong, what to do, and perhaps what was meant."""

    def __init__(self, message: str, fix: str, hint: str = "", key: str = "path") -> None:
        self.message, self.fix, self.hint, self.key = message, fix, hint, key
        super().__init__("\n".join(f"{'    ' if i else ''}{x}" for i, x in enumerate((message, hint, fix)) if x))


def source_name(source: Source) -> str:
    """The source's name: as given, else the package's, else the file's (or folder's) without suffixes."""
    if source.name is not None:
        return source.name
    if isinstance(source, PackageSource):
        return source.package
    path = Path(source.path)
    while glob.has_magic(path.name):
        path = path.parent
    name = path.name
    for suffix in (*COMPRESSIONS, *SUFFIXES[source.type]):
        name = name.removesuffix(suffix)
    return name or source.type


def source_files(source: Source, base: Path) -> list[SourceFile]:
    """The files of a source, sorted by their path below its root.

    Args:
        base: folder that relative paths start from (the recipe's).

    Raises:
        SourceError: the source does not exist, no file matches, all files are empty, or the package is
            missing or of another version.
    """
    root, paths = _package_files(source) if isinstance(source, PackageSource) else _path_files(source, base)
    name = source_name(source)
    files = sorted((_source_file(name, root, path) for path in paths), key=lambda file: file.relative)
    if not any(file.size for file in files):
        key = "files" if isinstance(source, PackageSource) else "path"
        what = f"{files[0].path} is" if len(files) == 1 else f"all {len(files)} files of {root} are"
        raise SourceError(f"{what} empty (0 bytes)", f"put text into it, or correct `{key}`", key=key)
    return files


def _source_file(name: str, root: Path, path: Path) -> SourceFile:
    # A file name need not be valid Unicode, but an id must be.
    relative = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
    return SourceFile(source=name, path=str(path), relative=relative, size=path.stat().st_size)


def _package_files(source: PackageSource) -> tuple[Path, list[Path]]:
    root = _package_folder(source)
    _check_version(source)
    pattern = Path(source.files)
    if pattern.is_absolute() or ".." in pattern.parts or not pattern.parts:
        raise SourceError(f"{source.files!r} leaves the package", "give a glob inside the package", key="files")
    paths = [path for path in root.glob(source.files) if path.is_file()]
    if not paths:
        raise SourceError(
            f"no file of package {source.package} matches {source.files!r}",
            f"correct `files`; they are looked for in {root}",
            key="files",
        )
    return root, paths


def _package_folder(source: PackageSource) -> Path:
    top, *rest = source.package.split(".")
    try:
        spec = importlib.util.find_spec(top) if top else None
    except ValueError:  # a module that was put together by hand
        spec = None
    pin = f"=={source.version}" if source.version else ""
    if spec is None:
        raise SourceError(
            f"package {source.package} is not installed", f"install it: pip install {top}{pin}", key="package"
        )
    folders = list(spec.submodule_search_locations or ())
    root = Path(folders[0], *rest) if folders else None
    if root is None or not root.is_dir():
        message = f"{source.package} is not a package with files inside"
        raise SourceError(message, "name the package whose folder holds the files", key="package")
    return root


def _check_version(source: PackageSource) -> None:
    if source.version is None:
        return
    top = source.package.split(".")[0]
    try:
        installed = importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:  # the distribution has another name than the package
        names = importlib.metadata.packages_distributions().get(top, [])
        top, installed = (names[0], importlib.metadata.version(names[0])) if names else (top, "unknown")
    if installed != source.version:
        raise SourceError(
            f"version {installed} of {top} is installed, the recipe asks for {source.version}",
            f"install it: pip install {top}=={source.version}",
            key="version",
        )


def _path_files(source: Source, base: Path) -> tuple[Path, list[Path]]:
    assert not isinstance(source, PackageSource)
    path = base / Path(source.path).expanduser()
    if path.is_file():
        return path.parent, [path]
    if path.is_dir():
        return path, _folder_files(path, source)
    if not glob.has_magic(source.path):
        raise SourceError(
            f"{path} does not exist",
            f"correct `path` (relative paths start from the folder of the recipe, {base})",
            hint=_near_miss(path),
        )
    root = path
    while glob.has_magic(str(root.relative_to(base) if root.is_relative_to(base) else root)):
        root = root.parent
    paths = [p for p in root.glob(path.relative_to(root).as_posix()) if p.is_file()] if root.is_dir() else []
    if not paths:
        missing = "" if root.is_dir() else f": {root} does not exist"
        raise SourceError(f"no file matches {path}{missing}", "correct the glob in `path`", hint=_near_miss(root))
    return root, paths


def _folder_files(folder: Path, source: TextSource | ParquetSource | Source) -> list[Path]:
    wanted = SUFFIXES[source.type]
    endings = tuple(wanted) if source.type == "parquet" else (*wanted, *(w + c for w in wanted for c in COMPRESSIONS))
    visible = [
        p
        for p in folder.rglob("*")
        if not any(part.startswith(".") for part in p.relative_to(folder).parts) and p.is_file()
    ]
    paths = [path for path in visible if path.name.lower().endswith(endings)]
    if not paths:
        others = sorted({path.suffix for path in visible if path.suffix})[:5]
        hint = f"it holds {', '.join(others)} files" if others else "it holds no files"
        raise SourceError(
            f"no {' or '.join(wanted)} file in {folder}",
            "correct `path`, or give a glob that names the files, like `folder/**/*.html`",
            hint=hint,
        )
    return paths


def _near_miss(path: Path) -> str:
    """ "did you mean" among the neighbours of a path that does not exist."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else ""
