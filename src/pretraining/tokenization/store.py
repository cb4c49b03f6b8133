"""The token store: a ``datasets`` folder of token ids, read without copies.

Columns: ``input_ids`` (list of the smallest unsigned integer that holds every id), ``source``, ``document_id``.
A document is ``[open] tokens end`` (``special.frame``), each of the two exactly once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pretraining.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


class TokenStore:
    """One split of a token store: document ``i`` is a zero-copy view of the memory-mapped Arrow buffers.

    Opening reads the lengths of the documents and nothing else; ids are never copied.

    Attributes:
        lengths: tokens of each document, int64.
        fingerprint: of the documents' ids and sources, in order; "empty" where the store has no such split.

    Raises:
        DataError: the folder is not a token store, or a file of it is damaged or cut short.
    """

    def __init__(self, folder: Path, split: str = "train") -> None:
        self.fingerprint = "empty"
        self._batches: list[pa.RecordBatch] = []
        for path, documents in self._files(folder, split):
            self._batches += _open(path, documents)
        lists = [batch.column("input_ids") for batch in self._batches]
        self._values = [_view(each.values) for each in lists]
        offsets = [_view(each.offsets) for each in lists]
        self._first = np.cumsum([0, *(len(each) - 1 for each in offsets)])
        self._chunk = np.repeat(np.arange(len(offsets), dtype=np.int32), np.diff(self._first))
        self._start = np.concatenate([np.empty(0, np.int64), *(each[:-1] for each in offsets)])
        self.lengths: npt.NDArray[np.int64] = np.concatenate([np.empty(0, np.int64), *map(np.diff, offsets)])
        if len(self) and self.lengths.min() < 0:
            raise DataError(f"{folder / split} is damaged: {_AGAIN}")

    def _files(self, folder: Path, split: str) -> list[tuple[Path, int]]:
        """(path, documents) of every file."""
        try:
            if split not in json.loads((folder / "dataset_dict.json").read_text("utf-8"))["splits"]:
                return []
            state = json.loads((folder / split / "state.json").read_text("utf-8"))
            about = json.loads((folder / split / "dataset_info.json").read_text("utf-8"))
            names = [each["filename"] for each in state["_data_files"]]
            documents = about["splits"][split]["shard_lengths"]
            self.fingerprint = str(state["_fingerprint"])
            return [(folder / split / name, number) for name, number in zip(names, documents, strict=True)]
        except FileNotFoundError as error:
            raise DataError(f"{folder} is not a token store ({error.filename} is missing); {_RUN}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder} is not a token store, or is damaged ({error}); {_AGAIN}") from error

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.lengths.sum())

    def slice(self, document: int, start: int, length: int) -> npt.NDArray[Any]:
        """``length`` token ids of ``document`` from ``start``: a view, not a copy."""
        begin = int(self._start[document]) + start
        view: npt.NDArray[Any] = self._values[self._chunk[document]][begin : begin + length]
        return view

    def slices(self, pieces: npt.NDArray[np.int64]) -> list[npt.NDArray[Any]]:
        """``slice`` for every row ``(document, start, length)`` of ``pieces``."""
        documents = pieces[:, 0]
        begins = self._start[documents] + pieces[:, 1]
        spans = zip(self._chunk[documents].tolist(), begins.tolist(), (begins + pieces[:, 2]).tolist(), strict=True)
        return [self._values[chunk][begin:end] for chunk, begin, end in spans]

    def __getitem__(self, document: int) -> npt.NDArray[Any]:
        return self.slice(document, 0, int(self.lengths[document]))

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return (self[i] for i in range(len(self)))

    def document_id(self, document: int) -> str:
        """The id of a document, as the corpus gave it."""
        chunk = self._chunk[document]
        return str(self._batches[chunk].column("document_id")[document - self._first[chunk]])

    def source(self, document: int) -> str:
        """The name of a document's source."""
        chunk = self._chunk[document]
        return str(self._batches[chunk].column("source")[document - self._first[chunk]])

    def find(self, document_id: str) -> int | None:
        """The number of the document with this id; None where there is none. Looks through the ids, once."""
        import pyarrow.compute as pc

        for first, batch in zip(self._first.tolist(), self._batches, strict=False):
            place = pc.index(batch.column("document_id"), document_id).as_py()
            if place >= 0:
                return int(first) + int(place)
        return None

    def find_all(self, part: str) -> list[int]:
        """The numbers of the documents with ``part`` in their id, ascending. Looks through the ids, once."""
        import pyarrow.compute as pc

        found: list[int] = []
        for first, batch in zip(self._first.tolist(), self._batches, strict=False):
            places = pc.indices_nonzero(pc.match_substring(batch.column("document_id"), part))
            found += (first + _view(places)).tolist()
        return found

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources, sorted; those of documents of this split."""
        return tuple(sorted({name for names, _ in self._encoded_sources for name in names}))

    @cached_property
    def source_index(self) -> npt.NDArray[np.int32]:
        """Place of each document's source in ``sources``, int32."""
        place = {name: number for number, name in enumerate(self.sources)}
        parts = [np.array([place[name] for name in names], np.int32)[index] for names, index in self._encoded_sources]
        return np.concatenate([np.empty(0, np.int32), *parts])

    @cached_property
    def _encoded_sources(self) -> list[tuple[list[str], npt.NDArray[np.int32]]]:
        """(names, index into them of each document) for every record batch."""
        columns = [batch.column("source").dictionary_encode() for batch in self._batches]
        return [(column.dictionary.to_pylist(), _view(column.indices)) for column in columns]


_RUN = "run `pretrain tokens`"
_AGAIN = "run `pretrain tokens` again"


def _view(array: pa.Array) -> npt.NDArray[Any]:
    """The numbers of an array without nulls, not copied. ``to_numpy`` would import pandas, which takes longer than
    everything else that is done to open a store."""
    numbers = np.frombuffer(array.buffers()[1], array.type.to_pandas_dtype())
    return numbers[array.offset : array.offset + len(array)]


def _open(path: Path, documents: int) -> list[pa.RecordBatch]:
    """The record batches of one memory-mapped file."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            batches = list(pa.ipc.open_stream(source))
        found = sum(batch.num_rows for batch in batches)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; {_AGAIN}") from error
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged or cut short ({error}); {_AGAIN}") from error
    if found != documents:
        raise DataError(f"{path} holds {found:,} of its {documents:,} documents: it was cut short; {_AGAIN}")
    return batches
