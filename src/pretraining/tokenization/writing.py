"""Write the token store: one Arrow file for each file of the corpus, so that a stop loses at most the last of them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pretraining.errors import DataError
from pretraining.tokenization.documents import (
    SPLITS,
    corpus_files,
    count_rows,
    declared_languages,
    small_batches,
)
from pretraining.tokenization.encoding import Encoder, encoded_in_order
from pretraining.tokenization.figures import Figures
from pretraining.tokenization.shards import Shard, ShardWriter, Written, assemble

STATE = "state.npz"


def write_token_store(
    tokenizer: Any,
    corpus: Path,
    output: Path,
    *,
    work: Path | None = None,
    inputs: str = "",
    progress: bool = False,
) -> dict[str, Any]:
    """Encode every document of both splits into ``output``, a folder that ``datasets.load_from_disk`` opens.

    Text is read, encoded and written as a stream, once. The same corpus and tokenizer give the same bytes, however
    often the writing was stopped.

    Args:
        tokenizer: a ``PreTrainedTokenizerFast``.
        output: an empty folder.
        work: folder for finished files, on the same disk as ``output``. What a stopped call left there is used when
            ``inputs``, the tokenizer and the corpus files are the same; remove it once ``output`` is in its place.
            Without one a stopped call begins anew.
        inputs: says what the corpus is, such as a fingerprint.
        progress: show a bar over the documents.

    Returns:
        the figures of ``Figures.result``.

    Raises:
        DataError: there is no training document, or a file of the corpus is damaged.
    """
    shards = plan_shards(corpus)
    encoder, figures = Encoder(tokenizer), Figures(tokenizer, declared_languages(corpus))
    with _work_folder(work, output) as folder:
        files = [[shard.target, shard.source.stat().st_size] for shard in shards]
        key = hashlib.sha256(json.dumps([inputs, encoder.serialized, files]).encode()).hexdigest()
        written = _written(folder, shards, figures, key)
        _encode_shards(encoder, figures, shards, written, work=folder, key=key, show=progress)
        assemble(folder, output, shards, written, encoder)
    return figures.result()


def plan_shards(corpus: Path) -> list[Shard]:
    """The shards of the splits that have documents; ``datasets`` cannot open a split without any.

    Raises:
        DataError: there is no training document.
    """
    shards = []
    for split in SPLITS:
        files = [path for path in corpus_files(corpus, split) if count_rows(path)]
        if split == "train" and not files:
            raise DataError(f"{corpus} holds no training documents; lower corpus.held_out or add sources")
        names = [f"{split}/data-{number:05d}-of-{len(files):05d}.arrow" for number in range(len(files))]
        shards += [Shard(split, path, name) for path, name in zip(files, names, strict=True)]
    return shards


@contextmanager
def _work_folder(work: Path | None, output: Path) -> Iterator[Path]:
    if work is not None:
        yield work
        return
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
        yield Path(folder)


def _written(work: Path, shards: list[Shard], figures: Figures, key: str) -> list[Written]:
    """The shards that an earlier call has finished, if it was of the same inputs; ``figures`` go on from there."""
    try:
        written = [Written(**facts) for facts in figures.load(work / STATE, key)["written"]]
    except (OSError, ValueError, KeyError):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        return []
    for shard in shards[: len(written)]:
        if not (work / shard.target).is_file():
            raise DataError(f"{work} lacks {shard.target}; remove that folder and run `pretrain tokens` again")
    return written


def _encode_shards(
    encoder: Encoder,
    figures: Figures,
    shards: list[Shard],
    written: list[Written],
    *,
    work: Path,
    key: str,
    show: bool,
) -> None:
    """Write the shards that are missing, one after the other; encoding goes on across their borders."""

    def batches() -> Iterator[tuple[tuple[Shard, Any, list[str]], list[str]]]:
        for shard in shards[len(written) :]:
            for batch in small_batches(shard.source):
                texts = batch.column("text").to_pylist()
                yield (shard, batch, texts), texts

    def finish(writer: ShardWriter | None) -> None:
        """Close a shard, then write down that it is there: stopped between the two, it is written again."""
        if writer is not None:
            written.append(writer.close())
            temporary = work / f".{STATE}"
            figures.save(temporary, key, written=[asdict(each) for each in written])
            os.replace(temporary, work / STATE)

    writer: ShardWriter | None = None
    with _bar(sum(count_rows(shard.source) for shard in shards), show=show) as advance:
        advance(sum(each.documents for each in written))
        for (shard, batch, texts), encoded in encoded_in_order(encoder, batches()):
            if writer is None or writer.shard != shard:
                finish(writer)
                writer = ShardWriter(work, shard, encoder, written)
            writer.add(batch, encoded)
            figures.add(batch, texts, encoded, train=shard.split == "train")
            advance(len(texts))
        finish(writer)


@contextmanager
def _bar(documents: int, *, show: bool) -> Iterator[Any]:
    """A bar on stderr over the documents, where ``show`` asks for one; yields the function that moves it."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not show) as bar:
        task = bar.add_task("tokens", total=documents)
        yield lambda number: bar.advance(task, number)
