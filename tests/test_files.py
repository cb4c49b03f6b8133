from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from pretraining.files import file_sha256, flush


def test_hash_of_a_file_larger_than_one_piece(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5_000
    (tmp_path / "large").write_bytes(data)
    assert file_sha256(tmp_path / "large") == hashlib.sha256(data).hexdigest()


def test_files_and_folders_are_flushed_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    flushed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append((handle, os.fstat(handle).st_ino)))
    for path in (tmp_path / "file", tmp_path):
        flush(path)
    assert [inode for _, inode in flushed] == [(tmp_path / "file").stat().st_ino, tmp_path.stat().st_ino]
    for handle, _ in flushed:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(handle)
