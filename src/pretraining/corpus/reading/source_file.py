"""One file of a source, and the error of a source that cannot be read at all."""

from __future__ import annotations

from dataclasses import dataclass

from pretraining.errors import DataError

COMPRESSIONS = (".gz", ".zst", ".xz", ".bz2")
"""What is decompressed, by the ending of the name."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a source, or a part of one. Plain values only, so that it can be written as JSON.

    Attributes:
        source: name of the source.
        path: where the file is: a path, or a URL.
        relative: its path below the root of the source, with ``/``; a member of a zip is ``archive.zip!member``.
        size: bytes on disk (of this part; as they are compressed).
        member: name inside the zip archive at ``path``.
        start: where the part begins: a byte (line formats), a row group (Parquet), a shard (Hugging Face).
        end: where it ends, in the same unit; None: where the file ends.
        first_record: number of the part's first line.
        license_file: path (or member) of the nearest licence text, for source code.
    """

    source: str
    path: str
    relative: str
    size: int
    member: str | None = None
    start: int = 0
    end: int | None = None
    first_record: int = 1
    license_file: str | None = None

    @property
    def name(self) -> str:
        """The name whose ending says how the bytes are compressed."""
        if self.member is None and self.path.startswith("http"):
            return self.path.partition("?")[0]
        return self.member or self.path


class SourceError(DataError):
    """A source that cannot be read at all: what is wrong, what to do, and perhaps what was meant."""

    def __init__(self, message: str, fix: str, hint: str = "", key: str = "path") -> None:
        self.message, self.fix, self.hint, self.key = message, fix, hint, key
        super().__init__("\n".join(f"{'    ' if i else ''}{x}" for i, x in enumerate((message, hint, fix)) if x))
