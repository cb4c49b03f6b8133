"""fastText models: loading one, once per process and without a word, and asking it."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import mmap
import struct
from pathlib import Path
from typing import Any

from pretraining.errors import DataError

INSTALL = "pip install fasttext-numpy2-wheel"
"""The distribution that datatrove names too. ``fasttext-predict`` has a module of the same name and serves as well,
but it can only predict."""


class FastText:
    """A supervised fastText model."""

    def __init__(self, native: Any) -> None:
        self._native = native

    def predict(self, text: str, k: int = 1) -> list[tuple[str, float]]:
        """The ``k`` most probable labels with their probabilities, best first; ``k = -1``: all labels.

        The text may have several lines: fastText reads one, so line ends become spaces. Labels lose ``__label__``.
        An empty list where the model knows nothing of the text. Probabilities, which fastText gives up to 1.00004,
        end at 1.
        """
        line = text.replace("\n", " ").encode("utf-8", "replace").decode("utf-8")  # the binding refuses surrogates
        labels, probabilities = self._native.predict(line, k)
        return [
            (label.removeprefix("__label__"), min(1.0, float(probability)))
            for label, probability in zip(labels, probabilities, strict=True)
        ]

    def labels(self) -> list[str]:
        """All labels, in alphabetical order."""
        return sorted(label for label, _ in self.predict("", -1))  # the end of the line is a word of every model


_LOADED: dict[tuple[str, int, int], FastText] = {}


def load_fasttext(path: Path) -> FastText:
    """The model in a ``.bin`` or ``.ftz`` file. A process loads a file once, and again when it has changed.

    Raises:
        DataError: no such file, not a supervised fastText model, a damaged one, or fastText is not installed.
    """
    check_fasttext(path)
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _LOADED:
        import fasttext

        try:
            with contextlib.redirect_stderr(io.StringIO()):  # it warns about its own return type
                model = FastText(fasttext.load_model(str(path)))
            model.predict("a")
        except (ValueError, RuntimeError) as error:
            raise DataError(f"{path} cannot be used as a fastText classifier: {error}\n    train it again") from error
        _LOADED[key] = model
    return _LOADED[key]


_CHECKED: set[tuple[str, int, int]] = set()


def check_fasttext(path: Path) -> None:
    """Whether fastText is installed and the file is whole, without loading it (6 ms for lid.176.ftz).

    A file that was cut short makes fastText read without end, or ends the process with a signal.

    Raises:
        DataError: no, and what to do.
    """
    if importlib.util.find_spec("fasttext") is None:
        raise DataError(f"{path} needs fastText, which is not installed\n    {INSTALL}")
    if not path.is_file():
        raise DataError(f"there is no fastText model {path}\n    correct the path, or train the model first")
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key in _CHECKED:
        return
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            whole = _end(data) == len(data)
    except (struct.error, ValueError):
        whole = False
    if not whole:
        raise DataError(
            f"{path} is not a whole fastText model ({stat.st_size:,} bytes)\n    copy it, or train it, again"
        )
    _CHECKED.add(key)


_MAGIC, _VERSIONS = 793_712_314, (11, 12)  # fasttext.cc: FASTTEXT_FILEFORMAT_MAGIC_INT32, FASTTEXT_VERSION
_HEADER = struct.Struct("<2i12id")  # the two above, then Args::save
_DICTIONARY = struct.Struct("<3i2q")  # Dictionary::save: entries, words, labels, tokens, pruned entries
_CENTROIDS = 256  # productquantizer.h: ksub_


def _end(data: mmap.mmap) -> int:
    """Where a model must end by what its parts say about themselves (the file format of fastText 0.9)."""
    magic, version, *_ = _HEADER.unpack_from(data)
    if magic != _MAGIC or version not in _VERSIONS:
        raise ValueError("another format")
    at = _HEADER.size
    entries, _, _, _, pruned = _DICTIONARY.unpack_from(data, at)
    at += _DICTIONARY.size
    for _ in range(entries):
        zero = data.find(b"\0", at)
        if zero < 0:
            raise ValueError("cut short")
        at = zero + 1 + 8 + 1  # the word, its count, its kind
    at += 8 * max(0, pruned)
    (quantized,) = struct.unpack_from("<?", data, at)
    at = _matrix_end(data, at + 1, quantized)
    (output_too,) = struct.unpack_from("<?", data, at)
    return _matrix_end(data, at + 1, quantized and output_too)


def _matrix_end(data: mmap.mmap, at: int, quantized: bool) -> int:
    if not quantized:  # DenseMatrix::save
        rows, columns = struct.unpack_from("<2q", data, at)
        return int(at + 16 + 4 * rows * columns)
    norms, rows, _, codes = struct.unpack_from("<?2qi", data, at)  # QuantMatrix::save
    at = _quantizer_end(data, at + 21 + codes)
    return _quantizer_end(data, at + rows) if norms else at


def _quantizer_end(data: mmap.mmap, at: int) -> int:
    (dimension,) = struct.unpack_from("<i", data, at)
    return int(at + 16 + 4 * dimension * _CENTROIDS)
