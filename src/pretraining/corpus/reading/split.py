"""A large file as several parts, for several tasks. The documents and their ids are those of the whole file."""

from __future__ import annotations

from dataclasses import replace

from pretraining.corpus.reading.chunks import CHUNK, open_binary
from pretraining.corpus.reading.remote import is_url
from pretraining.corpus.reading.source_file import COMPRESSIONS, SourceFile
from pretraining.corpus.sections.sources import JsonlSource, PackageSource, ParquetSource, Source, TextSource


def split(file: SourceFile, source: Source, shard_bytes: int) -> list[SourceFile]:
    """Consecutive parts of ``shard_bytes`` or little more (the last: of what is left).

    The file itself where it cannot be read from the middle: split are files on this machine that are not compressed,
    text by line and JSON Lines (read once, to count the lines), and Parquet (between row groups).
    """
    if file.size < 2 * shard_bytes or file.member or is_url(file.path):
        return [file]
    if file.path.lower().endswith((".zip", *COMPRESSIONS)):
        return [file]
    if isinstance(source, ParquetSource):
        return _row_groups(file, shard_bytes)
    by_line = isinstance(source, PackageSource | TextSource) and source.documents == "line"
    if not by_line and not (isinstance(source, JsonlSource) and source.layout == "lines"):
        return [file]
    encoding = source.encoding  # type: ignore[union-attr]  # both kinds have one
    if encoding == "auto" or not "a\n".encode(encoding).endswith(b"a\n"):
        return [file]  # it has to be read from its beginning
    return _lines(file, shard_bytes)


def _lines(file: SourceFile, shard_bytes: int) -> list[SourceFile]:
    starts, firsts = [0], [1]
    position, lines = 0, 0
    with open_binary(file.path) as stream:
        while chunk := stream.read(CHUNK):
            target = max(starts[-1] + shard_bytes - position, 0)
            # A chunk holds at most one cut, as long as a part is no smaller than a chunk; else parts are larger.
            end = chunk.find(b"\n", target - 1 if target else 0) + 1 if target <= len(chunk) else 0
            if end and position + end < file.size:
                starts.append(position + end)
                firsts.append(lines + chunk.count(b"\n", 0, end) + 1)
            lines += chunk.count(b"\n")
            position += len(chunk)
    ends = [*starts[1:], file.size]
    return [
        replace(file, start=start, end=end, size=end - start, first_record=first)
        for start, end, first in zip(starts, ends, firsts, strict=True)
    ]


def _row_groups(file: SourceFile, shard_bytes: int) -> list[SourceFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(file.path)
    except (pa.ArrowException, OSError):
        return [file]  # the reader will say what is wrong with it
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    sizes = [sum(group.column(i).total_compressed_size for i in range(group.num_columns)) for group in groups]
    parts: list[SourceFile] = []
    start = size = told = 0
    for i, group_size in enumerate(sizes):
        size += group_size
        if size >= shard_bytes or i == len(sizes) - 1:
            last = i == len(sizes) - 1
            part = file.size - told if last else size
            parts.append(replace(file, start=start, end=i + 1, size=part))
            start, size, told = i + 1, 0, told + part
    return parts or [file]
