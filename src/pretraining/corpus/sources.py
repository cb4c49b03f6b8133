"""Which files a source names: found by looking at names only, so that ``pretrain check`` can do it too."""

from __future__ import annotations

import difflib
import glob
import importlib.metadata
import importlib.util
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pretraining.corpus.reading.programming import is_license, programming_language
from pretraining.corpus.reading.remote import filesystem, is_on_this_machine, is_url, url_files
from pretraining.corpus.reading.source_file import COMPRESSIONS, SourceError, SourceFile
from pretraining.corpus.sections.sources import CodeSource, HuggingFaceSource, PackageSource, PathSource, Source

__all__ = ["COMPRESSIONS", "SourceError", "SourceFile", "needs_network", "source_files", "source_name"]

ENDINGS = {
    "package": (".txt", ".md"),
    "text": (".txt", ".md"),
    "markdown": (".md", ".markdown"),
    "html": (".html", ".htm", ".xhtml"),
    "warc": (".warc", ".arc", ".wet"),
    "jsonl": (".jsonl", ".ndjson"),
    "csv": (".csv", ".tsv"),
    "parquet": (".parquet",),
    "arrow": (".arrow", ".arrows", ".feather", ".ipc"),
    "code": (),
}
"""What is taken from a folder or a zip archive; a glob takes whatever it matches."""


def source_name(source: Source) -> str:
    """The source's name: as given, else the package's, else the file's (or folder's) without endings."""
    if source.name is not None:
        return source.name
    if isinstance(source, PackageSource):
        return source.package
    if isinstance(source, HuggingFaceSource):
        return source.path.rstrip("/").rpartition("/")[2]
    path = Path(source.path)
    while glob.has_magic(path.name):
        path = path.parent
    name = path.name
    for ending in (".zip", *COMPRESSIONS, *ENDINGS[source.type]):
        name = name.removesuffix(ending)
    return name or source.type


def needs_network(source: Source, base: Path) -> bool:
    """Whether ``source_files`` would have to ask a server: a dataset of the hub, or a URL of elsewhere."""
    if isinstance(source, PackageSource):
        return False
    if isinstance(source, HuggingFaceSource):
        return not (base / Path(source.path).expanduser()).is_dir()
    return is_url(source.path) and not is_on_this_machine(source.path)


def source_files(source: Source, base: Path) -> list[SourceFile]:
    """The files of a source, sorted by their path below its root; those inside zip archives one by one.

    Args:
        base: folder that relative paths start from (the recipe's).

    Raises:
        SourceError: the source does not exist, no file matches, all files are empty, or a package is
            missing or of another version.
    """
    if isinstance(source, HuggingFaceSource):
        from pretraining.corpus.reading.hub import hub_files

        return hub_files(source, source_name(source), base)
    root, files = _found(source, base)
    if isinstance(source, CodeSource):
        files = _code_files(files, source, root)
    files = sorted(files, key=lambda file: file.relative)
    if not any(file.size for file in files):
        key = "files" if isinstance(source, PackageSource) else "path"
        what = f"{files[0].path} is" if len(files) == 1 else f"all {len(files)} files of {root} are"
        raise SourceError(f"{what} empty (0 bytes)", f"put text into it, or correct `{key}`", key=key)
    return files


def _found(source: PackageSource | PathSource, base: Path) -> tuple[str, list[SourceFile]]:
    name = source_name(source)  # type: ignore[arg-type]  # every PathSource is one of the union
    if isinstance(source, PathSource) and is_url(source.path):
        root, urls = url_files(source.path, (*_endings(source), ".zip"))
        files = [SourceFile(name, url, relative, size) for url, relative, size in urls]
    else:
        folder, paths = _package_files(source) if isinstance(source, PackageSource) else _path_files(source, base)
        root, files = str(folder), [_source_file(name, folder, path) for path in paths]
    zips = [file for file in files if file.path.lower().endswith(".zip")]
    if not zips:
        return root, files
    wanted = _wanted(source)
    files = [file for file in files if file not in zips] + [m for file in zips for m in _members(file, wanted)]
    if not files:
        endings = " or ".join(_endings(source)) or "source code"
        raise SourceError(f"no {endings} file in {zips[0].path}", "unpack it and give a glob, or correct `path`")
    return root, files


def _endings(source: PackageSource | PathSource) -> tuple[str, ...]:
    """Endings of names that are taken from a folder; an empty one takes all."""
    if isinstance(source, CodeSource):
        return ("",)
    wanted = ENDINGS[source.type]
    if source.type in ("parquet", "arrow"):  # they compress inside
        return tuple(wanted)
    return (*wanted, *(ending + compression for ending in wanted for compression in COMPRESSIONS))


def _wanted(source: PackageSource | PathSource) -> Callable[[str], bool]:
    endings = _endings(source)
    return lambda name: name.lower().endswith(endings)


def _source_file(name: str, root: Path, path: Path) -> SourceFile:
    # A file name need not be valid Unicode, but an id must be.
    relative = os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")
    return SourceFile(source=name, path=str(path), relative=relative, size=path.stat().st_size)


def _members(file: SourceFile, wanted: Callable[[str], bool]) -> Iterator[SourceFile]:
    """The files inside a zip archive; the archive itself where it is damaged, so that it is counted when it is read."""
    try:
        opened = file.path
        if is_url(opened):
            fs, path = filesystem(opened)
            opened = fs.open(path)
        with zipfile.ZipFile(opened) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError):
        yield file
        return
    for member in members:
        parts = member.filename.split("/")
        if member.is_dir() or parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts):
            continue
        if wanted(member.filename):
            relative = f"{file.relative}!{member.filename}"
            yield replace(file, relative=relative, member=member.filename, size=member.compress_size)


def _code_files(files: Iterable[SourceFile], source: CodeSource, root: str) -> list[SourceFile]:
    """Those whose name is that of source code, outside of skipped folders, each with its nearest licence text."""
    files = [
        f for f in files if not set(PurePosixPath(f.relative.replace("!", "/")).parts[:-1]) & {*source.skip_folders}
    ]
    licenses = {} if is_url(root) else _local_licenses(Path(root), files)  # (archive, folder) -> path or member
    for file in sorted(files, key=lambda file: file.relative):
        if is_license(file.relative):
            licenses.setdefault(_place(file), file.name)
    chosen = source.programming_languages
    code = []
    for file in files:
        language = programming_language(file.relative)
        if language is not None and (chosen is None or language in chosen):
            code.append(replace(file, license_file=_nearest(licenses, file)))
    if not code:
        what = " or ".join(chosen) if chosen else "source code"
        raise SourceError(f"no {what} in {root}", "correct `path` or `programming_languages`")
    return code


def _local_licenses(root: Path, files: Iterable[SourceFile]) -> dict[tuple[str, str], str]:
    """Those beside and above the files, which a glob does not match."""
    folders = {folder for file in files if not file.member for folder in PurePosixPath(file.relative).parents}
    licenses = {}
    for folder in folders:
        path = root / folder
        if names := sorted(name for name in os.listdir(path) if is_license(name)) if path.is_dir() else []:
            licenses["", str(folder)] = str(path / names[0])
    return licenses


def _place(file: SourceFile) -> tuple[str, str]:
    return (file.path if file.member else "", str(PurePosixPath(file.member or file.relative).parent))


def _nearest(licenses: dict[tuple[str, str], str], file: SourceFile) -> str | None:
    archive, folder = _place(file)
    for parent in (PurePosixPath(folder), *PurePosixPath(folder).parents):
        if found := licenses.get((archive, str(parent))):
            return found
    return None


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


def _path_files(source: PathSource, base: Path) -> tuple[Path, list[Path]]:
    path = base / Path(source.path).expanduser()
    if path.is_file():
        return path.parent, [path]
    if path.is_dir():
        return path, _folder_files(path, source)
    if not glob.has_magic(source.path):
        raise SourceError(
            f"{path} does not exist",
            f"correct `path` (relative paths start from the folder of the recipe, {base})",
            hint=near_miss(path),
        )
    root = path
    while glob.has_magic(str(root.relative_to(base) if root.is_relative_to(base) else root)):
        root = root.parent
    paths = [p for p in root.glob(path.relative_to(root).as_posix()) if p.is_file()] if root.is_dir() else []
    if not paths:
        missing = "" if root.is_dir() else f": {root} does not exist"
        raise SourceError(f"no file matches {path}{missing}", "correct the glob in `path`", hint=near_miss(root))
    return root, paths


def _folder_files(folder: Path, source: PathSource) -> list[Path]:
    visible = list(_visible(folder, set(source.skip_folders) if isinstance(source, CodeSource) else set()))
    endings = (*_endings(source), ".zip")
    paths = [path for path in visible if path.name.lower().endswith(endings)]
    if not paths:
        others = sorted({path.suffix for path in visible if path.suffix})[:5]
        hint = f"it holds {', '.join(others)} files" if others else "it holds no files"
        wanted = " or ".join(ENDINGS[source.type]) or "source code"
        raise SourceError(
            f"no {wanted} file in {folder}",
            "correct `path`, or give a glob that names the files, like `folder/**/*.html`",
            hint=hint,
        )
    return paths


def _visible(folder: Path, skipped: set[str]) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in skipped]
        yield from (path for n in names if not n.startswith(".") and (path := Path(root, n)).is_file())


def near_miss(path: Path) -> str:
    """ "did you mean" among the neighbours of a path that does not exist."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {path.parent / close[0]}?" if close else ""
