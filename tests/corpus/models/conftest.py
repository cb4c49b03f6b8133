"""A fastText model that is written by hand, because training one is not reproducible."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def fasttext_file(tmp_path: Path) -> Callable[..., Path]:
    """``fasttext_file({"word": "label"})`` writes a model in which each word speaks for one label."""

    def write(words: dict[str, str], name: str = "model.bin", strength: float = 20.0) -> Path:
        labels = sorted(set(words.values()))
        size = len(labels)
        entries = [("</s>", 0), *((word, 0) for word in words), *((f"__label__{label}", 1) for label in labels)]
        data = struct.pack("<2i", 793_712_314, 12)
        data += struct.pack("<12id", size, 5, 1, 1, 5, 1, 3, 3, 0, 0, 0, 100, 1e-4)  # softmax, supervised, no n-grams
        data += struct.pack("<3i2q", len(entries), len(words) + 1, size, 100, -1)
        for entry, kind in entries:
            data += entry.encode() + b"\0" + struct.pack("<qb", 10, kind)
        rows = [[0.0] * size] + [[strength * (label == own) for label in labels] for own in words.values()]
        data += _matrix(rows) + _matrix([[float(i == j) for j in range(size)] for i in range(size)])
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def _matrix(rows: list[list[float]]) -> bytes:
    numbers = [number for row in rows for number in row]
    return struct.pack(f"<?2q{len(numbers)}f", False, len(rows), len(rows[0]), *numbers)
