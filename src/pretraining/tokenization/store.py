"""The token store: a ``datasets`` folder of token ids, written as a stream and read without copies.

Columns: ``input_ids`` (list of the smallest unsigned integer that holds every id), ``source``, ``document_id``.
A document is ``BOS tokens EOS``, each of the two exactly once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pretraining.errors import DataError
from pretraining.tokenization.documents import SPLITS, corpus_files, count_documents, document_batches, with_progress

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedTokenizerFast

    from pretraining.tokenization.report import Report


def smallest_unsigned(vocab_size: int) -> np.dtype[Any]:
    """uint8, uint16 or uint32: the smallest type that holds the ids ``0 .. vocab_size - 1``."""
    return np.min_scalar_type(vocab_size - 1)


def write_token_store(
    tokenizer: PreTrainedTokenizerFast,
    corpus: Path,
    output: Path,
    *,
    report: Report | None = None,
    progress: bool = False,
) -> None:
    """Encode every document of both splits into ``output``, a folder that ``datasets.load_from_disk`` opens.

    Args:
        report: collects bytes per token and the round trip on the way, when given.
        progress: show a bar over the documents.

    Raises:
        DataError: there is no training document.
    """
    if not corpus_files(corpus, "train"):
        raise DataError(f"{corpus} holds no training documents; lower corpus.held_out or add sources")
    # datasets cannot save a split without rows; one that nothing was held out for is left out
    splits = [split for split in SPLITS if corpus_files(corpus, split)]
    (output / "dataset_dict.json").write_text(json.dumps({"splits": splits}), "utf-8")
    for split in splits:
        batches = with_progress(document_batches(corpus, split), count_documents(corpus, split), split, show=progress)
        _write_split(tokenizer, batches, output / split, report if split == "train" else None)


def _write_split(
    tokenizer: PreTrainedTokenizerFast, batches: Iterable[pa.RecordBatch], folder: Path, report: Report | None
) -> None:
    import datasets
    import pyarrow as pa
    from datasets.arrow_writer import ArrowWriter

    dtype = smallest_unsigned(len(tokenizer))
    features = datasets.Features(
        {
            "input_ids": datasets.List(datasets.Value(dtype.name)),
            "source": datasets.Value("string"),
            "document_id": datasets.Value("string"),
        }
    )
    stream = folder.with_suffix(".stream")
    digest = hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode())
    with ArrowWriter(features=features, path=str(stream)) as writer:
        for batch in batches:
            ids = encode(tokenizer, batch, dtype, report)
            digest.update(ids.values.tobytes())
            writer.write_table(
                pa.table(
                    {"input_ids": ids.to_list_array(), "source": batch["source"], "document_id": batch["id"]}
                ).cast(features.arrow_schema)
            )
        writer.finalize()
    store = datasets.Dataset.from_file(str(stream))
    # datasets would draw a random fingerprint; ours depends on the content, so the same text gives the same bytes.
    store._fingerprint = digest.hexdigest()[:16]
    disable, enable = datasets.disable_progress_bars, datasets.enable_progress_bars
    disable()
    try:
        store.save_to_disk(str(folder))
    finally:
        enable()
    del store
    stream.unlink()


class Encoded:
    """Token ids of a batch of documents: flat ``values`` and ``offsets`` (one more than documents)."""

    def __init__(self, values: npt.NDArray[Any], offsets: npt.NDArray[np.int32]) -> None:
        self.values, self.offsets = values, offsets

    def to_list_array(self) -> pa.ListArray:
        """The same as an Arrow list column."""
        import pyarrow as pa

        return pa.ListArray.from_arrays(pa.array(self.offsets), pa.array(self.values))


def encode(
    tokenizer: PreTrainedTokenizerFast, batch: pa.RecordBatch, dtype: np.dtype[Any], report: Report | None = None
) -> Encoded:
    """Encode a batch of documents as ``BOS tokens EOS``, in parallel over documents."""
    from tokenizers import Tokenizer

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    # A document may quote the text of a special token; it must stay text, or it would end the document there.
    backend.encode_special_tokens = True
    encodings = backend.encode_batch_fast(batch.column("text").to_pylist(), add_special_tokens=False)
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    parts = [np.array([bos, *encoding.ids, eos], dtype=dtype) for encoding in encodings]
    if report is not None:
        report.add(tokenizer, batch, parts)
    offsets = np.zeros(len(parts) + 1, np.int32)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    values = np.concatenate(parts) if parts else np.empty(0, dtype)
    return Encoded(values, offsets)


class TokenStore:
    """One split of a token store: document ``i`` is a zero-copy view of the memory-mapped Arrow buffers.

    ``lengths`` (int64, one a document, in tokens) and ``source_names`` are read once; ids are never copied.

    Raises:
        DataError: the folder is not a token store.
    """

    def __init__(self, folder: Path, split: str = "train") -> None:
        import datasets

        try:
            splits = json.loads((folder / "dataset_dict.json").read_text("utf-8"))["splits"]
            self._dataset = datasets.load_from_disk(str(folder / split)) if split in splits else None
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder} is not a token store; run `pretrain tokens`") from error
        self.fingerprint: str = self._dataset._fingerprint if self._dataset is not None else "empty"
        chunks = self._dataset.data.column("input_ids").chunks if self._dataset is not None else []
        self._values = [chunk.values.to_numpy(zero_copy_only=True) for chunk in chunks]
        offsets = [chunk.offsets.to_numpy(zero_copy_only=True).astype(np.int64) for chunk in chunks]
        self.lengths: npt.NDArray[np.int64] = np.concatenate([np.diff(o) for o in offsets] or [np.empty(0, np.int64)])
        self._chunk = np.repeat(np.arange(len(offsets)), [len(o) - 1 for o in offsets])
        self._start = np.concatenate([o[:-1] for o in offsets] or [np.empty(0, np.int64)])

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
        return str(self._dataset[document]["document_id"])  # type: ignore[index]  # an empty store has no documents
