"""Fingerprints, manifests, and folders that are complete or absent."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pretraining import __version__
from pretraining.errors import RunFolderError
from pretraining.files import file_sha256, flush

MANIFEST = "manifest.json"
_PACKAGES = ("torch", "transformers", "accelerate", "datasets", "tokenizers", "datatrove", "numpy")


def digest(data: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of ``data`` as canonical JSON."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache
def code_digest(rooms: tuple[str, ...]) -> str:
    """Digest of the source files of some rooms, so that a stage runs again when its code changed."""
    package = Path(__file__).parent
    files = sorted(
        path
        for room in rooms
        for pattern in ("*.py", "*.j2")
        for path in (package / room).rglob(pattern)
        if "checks" not in (path.stem, path.parent.name)
    )
    return digest([[path.relative_to(package).as_posix(), file_sha256(path)] for path in files])


def folder_digest(folder: Path) -> str:
    """Digest of the names and contents of all files in a folder, its manifest excepted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return digest([[path.relative_to(folder).as_posix(), file_sha256(path)] for path in files])


def versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries that make the results."""
    found = {"python": platform.python_version(), "pretraining-handbook": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@functools.cache
def hardware() -> dict[str, Any]:
    """Processor, cores and memory of this machine; accelerators are added by the training stage."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    except OSError:
        pass
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor,
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(memory, 1),
        "accelerators": [],
    }


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where it is missing or not readable."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is complete or absent."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, data: Any) -> None:
    """Write JSON so that it is complete or absent."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """A temporary folder beside ``final`` that takes its place when the block ends without an error.

    A folder left by a run that was killed is emptied first. If the process dies between the two renames of the
    exchange, ``final`` is absent and the stage runs again: never a mixture of old and new.
    """
    temporary, old = final.with_name(f".{final.name}.tmp"), final.with_name(f".{final.name}.old")
    for left in (temporary, old):
        shutil.rmtree(left, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    for path in [*temporary.rglob("*"), temporary]:
        flush(path)
    if final.exists():
        os.replace(final, old)
    os.replace(temporary, final)
    flush(final.parent)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def run_lock(run: Path) -> Iterator[int]:
    """Only one command works in a run folder; yields the descriptor, which children inherit to keep the lock.

    The lock belongs to the open file, so the kernel releases it when the last process that holds it is gone,
    however it died.

    Raises:
        RunFolderError: another process is using the folder.
    """
    run.mkdir(parents=True, exist_ok=True)
    handle = os.open(run / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 32, 0).decode() or "unknown"
            raise RunFolderError(
                f"{run} is in use by another command (process {owner}). Wait for it, stop it, or use another name."
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield handle
    finally:
        os.close(handle)
