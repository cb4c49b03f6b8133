"""The files of the token store: Arrow files that are complete or absent, and the JSON of a ``datasets`` folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pretraining.tokenization.encoding import Encoded, Encoder

if TYPE_CHECKING:
    import pyarrow as pa

RECORD_BATCH_TOKENS = 1 << 24
"""From this number on a record batch of the store is written: a reader keeps a few bytes a record batch, not a row."""


@dataclass(frozen=True)
class Shard:
    """One file of the corpus and its file in the store."""

    split: str
    source: Path
    target: str
    """Relative to the store."""


@dataclass(frozen=True)
class Written:
    """A finished shard: its documents, the bytes of its ids, and the digest that the next one goes on from."""

    split: str
    documents: int
    bytes: int
    chain: str


class ShardWriter:
    """Writes one Arrow file of the store, complete or not at all."""

    def __init__(self, work: Path, shard: Shard, encoder: Encoder, written: Sequence[Written]) -> None:
        import pyarrow as pa

        self.shard, self._path = shard, work / shard.target
        self._path.parent.mkdir(exist_ok=True)
        self._temporary = self._path.with_suffix(".tmp")
        self._schema = store_features(encoder).arrow_schema
        self._writer = pa.ipc.new_stream(str(self._temporary), self._schema)
        self._pending: list[tuple[pa.Array, pa.Array, Encoded]] = []
        self._tokens = 0
        self._documents = self._bytes = 0
        before = [each for each in written if each.split == shard.split]
        start = before[-1].chain if before else hashlib.sha256(encoder.serialized.encode()).hexdigest()
        self._chain = bytes.fromhex(start)

    def add(self, batch: pa.RecordBatch, encoded: Encoded) -> None:
        """The next documents."""
        # Linking digest to digest, document by document, depends on the documents and their order alone.
        content, width = encoded.values.tobytes(), encoded.values.itemsize
        bounds = pairwise((encoded.offsets * width).tolist())
        for source, (begin, end) in zip(batch.column("source").to_pylist(), bounds, strict=True):
            digest = hashlib.sha256(self._chain)
            digest.update(source.encode())
            digest.update(content[begin:end])
            self._chain = digest.digest()
        if self._tokens + len(encoded.values) > RECORD_BATCH_TOKENS:
            self._flush()
        self._pending.append((batch.column("source"), batch.column("id"), encoded))  # without the texts
        self._tokens += len(encoded.values)
        self._documents += batch.num_rows
        self._bytes += encoded.values.nbytes

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._pending:
            return
        values = np.concatenate([encoded.values for _, _, encoded in self._pending])
        sizes = np.concatenate([np.diff(encoded.offsets) for _, _, encoded in self._pending])
        offsets = np.zeros(len(sizes) + 1, np.int32)
        np.cumsum(sizes, out=offsets[1:])
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(values), type=self._schema.field("input_ids").type)
        names = [pa.concat_arrays([each[column] for each in self._pending]) for column in (0, 1)]
        self._writer.write_batch(pa.record_batch([lists, *names], schema=self._schema))
        self._pending, self._tokens = [], 0

    def close(self) -> Written:
        """Put the file in its place."""
        self._flush()
        self._writer.close()
        with self._temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self._temporary, self._path)
        return Written(self.shard.split, self._documents, self._bytes, self._chain.hex())


def store_features(encoder: Encoder) -> Any:
    """The columns of the store, for ``datasets``."""
    import datasets

    text = datasets.Value("string")
    ids = datasets.List(datasets.Value(encoder.dtype.name))
    return datasets.Features({"input_ids": ids, "source": text, "document_id": text})


def assemble(work: Path, output: Path, shards: Sequence[Shard], written: Sequence[Written], encoder: Encoder) -> None:
    """Put the finished shards and the JSON files of ``DatasetDict.save_to_disk`` into ``output``."""
    splits = list(dict.fromkeys(shard.split for shard in shards))
    (output / "dataset_dict.json").write_text(json.dumps({"splits": splits}), "utf-8")
    for split in splits:
        (output / split).mkdir()
        mine = [(shard, facts) for shard, facts in zip(shards, written, strict=True) if shard.split == split]
        for shard, _ in mine:
            _link(work / shard.target, output / shard.target)
        _describe(output / split, split, mine, encoder)


def _describe(folder: Path, split: str, mine: list[tuple[Shard, Written]], encoder: Encoder) -> None:
    import datasets

    lengths = [facts.documents for _, facts in mine]
    size = sum(facts.bytes for _, facts in mine)
    about = {"name": split, "num_bytes": size, "num_examples": sum(lengths), "shard_lengths": lengths}
    info = datasets.DatasetInfo(features=store_features(encoder), splits=[about])
    info.write_to_directory(str(folder), pretty_print=True)
    state: dict[str, Any] = {
        # datasets would draw a random fingerprint; ours depends on the content.
        "_fingerprint": mine[-1][1].chain[:16],
        "_data_files": [{"filename": Path(shard.target).name} for shard, _ in mine],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    (folder / "state.json").write_text(json.dumps(state, indent=2, sort_keys=True), "utf-8")


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # another disk, or one that knows no links
        shutil.copyfile(path, target)
