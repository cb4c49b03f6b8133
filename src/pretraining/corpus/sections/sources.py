"""The kinds of sources that a recipe can name, and what can be said about each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pretraining.section import Section


class SourceSection(Section):
    """What every source can say about its text."""

    type: str
    """Kind of the source."""
    name: str | None = None
    """Name of the source in ids, ledger and report; the package's or the file's name when left out."""
    license: str | None = None
    """Licence of the text, for ledger and model card; what a document says itself stands in its metadata."""
    language: str | None = None
    """Language of the text as ``code_Script`` (``eng_Latn``, ``cmn_Hani``); a document's own ``language`` wins."""
    domain: str | None = None
    """What kind of text it is (``web``, ``books``, ``code``), for ledger and model card."""


class PathSource(SourceSection):
    """A source that consists of files somewhere."""

    path: str
    """A file, a folder, a glob, or the URL of one (``https://``, ``s3://``, whatever fsspec opens); ``.gz``, ``.zst``,
    ``.xz``, ``.bz2`` are decompressed, and the files inside a ``.zip`` are read one by one."""
    encoding: str = "utf-8"
    """Text encoding of the files; ``auto`` detects it for each file."""


class _Divided(Section):
    documents: Literal["file", "line", "separator"] = "file"
    """One document per file, per line, or per piece between separators."""
    separator: str | None = None
    """What stands between two documents, with ``documents: separator``."""

    @model_validator(mode="after")
    def _separator_where_it_counts(self) -> _Divided:
        if (self.documents == "separator") != bool(self.separator):
            raise ValueError(
                "`documents: separator` needs a `separator`"
                if self.documents == "separator"
                else "`separator` is read only with `documents: separator`"
            )
        return self


class _Fields(Section):
    text: str = "text"
    """Field (key, column) that holds the text; dots lead into nested ones, as in ``data.content``."""
    id: str | None = None
    """Field that holds the document's id; file and record number when left out."""
    url: str | None = None
    """Field that holds the address of the document; it becomes ``url``. All other plain fields keep their names."""
    date: str | None = None
    """Field that holds the date of the document; it becomes ``date``."""


class PackageSource(_Divided, SourceSection):
    """Text files inside an installed Python package."""

    type: Literal["package"]
    package: str
    """Import name of the package; it is located, never imported."""
    version: str | None = None
    """Refuse any other version of the package's distribution."""
    files: str = "**/*.txt"
    """Glob inside the package."""
    encoding: str = "utf-8"
    """Text encoding of the files; ``auto`` detects it for each file."""


class TextSource(_Divided, PathSource):
    """Plain text files (``.txt``, ``.md``)."""

    type: Literal["text"]


class MarkdownSource(PathSource):
    """Markdown files, one document each, as they are; YAML front matter becomes metadata."""

    type: Literal["markdown"]


class _Extraction(PathSource):
    encoding: str = "auto"
    """Encoding of the pages; ``auto``: the byte order mark, the HTTP header, ``<meta charset>``, then detection."""
    extractor: Literal["trafilatura", "resiliparse"] = "trafilatura"
    """What finds the text in a page: trafilatura (fewer menus, slow) or resiliparse (about 15 times as fast)."""
    favour_precision: bool = True
    """Trafilatura leaves out what may be boilerplate, as FineWeb (arXiv 2406.17557, appendix D) had it."""
    include_tables: bool = True
    """Keep the text of tables."""
    include_comments: bool = False
    """Keep the comments of readers."""
    seconds_per_page: float = Field(default=20.0, gt=0)
    """Processor time after which a page is given up (``timed_out``)."""

    @model_validator(mode="after")
    def _precision_is_trafilaturas(self) -> _Extraction:
        if self.extractor == "resiliparse" and "favour_precision" in self.model_fields_set:
            raise ValueError("resiliparse has no `favour_precision`: leave the key out")
        return self


class HtmlSource(_Extraction):
    """HTML pages (``.html``, ``.htm``, ``.xhtml``), one document each."""

    type: Literal["html"]


class WarcSource(_Extraction):
    """Web archives: WARC, ARC and WET, told apart record by record.

    A document is a response with a 2xx status, a resource or a conversion whose payload is HTML or plain text.
    """

    type: Literal["warc"]


class JsonlSource(_Fields, PathSource):
    """JSON objects, one a line or all in one array. A record that is a string is the text itself; a text may be a list
    of strings, which are its lines."""

    type: Literal["jsonl"]
    layout: Literal["lines", "array"] = "lines"
    """``lines``: JSON Lines, one record a line; ``array``: a file is one JSON array of records, read as a whole."""


class CsvSource(_Fields, PathSource):
    """Tables as text (``.csv``, ``.tsv``) with the names of the columns in the first row."""

    type: Literal["csv"]
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """What stands between two cells; a comma when left out, a tab for ``.tsv``."""


class ParquetSource(_Fields, PathSource):
    """Parquet files. ``encoding`` is that of columns of bytes."""

    type: Literal["parquet"]


class ArrowSource(_Fields, PathSource):
    """Arrow IPC files and streams, Feather too. ``encoding`` is that of columns of bytes."""

    type: Literal["arrow"]


class HuggingFaceSource(_Fields, SourceSection):
    """A dataset of the Hugging Face hub, streamed, or a folder that holds one."""

    type: Literal["huggingface"]
    path: str
    """Name on the hub (``owner/name``), or a folder: files that ``load_dataset`` reads, or made by ``save_to_disk``."""
    config: str | None = None
    """Configuration of the dataset, where it has several."""
    split: str = "train"
    """Split of the dataset."""
    revision: str | None = None
    """Branch, tag or commit on the hub; name a commit to read the same data again."""


SKIPPED_FOLDERS = [
    ".git",
    ".hg",
    ".svn",
    ".tox",
    ".venv",
    "venv",
    "node_modules",
    "bower_components",
    "vendor",
    "third_party",
    "site-packages",
    "__pycache__",
]


class CodeSource(PathSource):
    """Source code: a folder or archive, one document per file whose ending is that of a programming language."""

    type: Literal["code"]
    programming_languages: list[str] | None = None
    """Only these (``Python``, ``C++``, ...); all that are known by their ending when left out."""
    skip_folders: list[str] = SKIPPED_FOLDERS
    """Folders of these names are left out, wherever they are."""


Source = Annotated[
    PackageSource
    | TextSource
    | MarkdownSource
    | HtmlSource
    | WarcSource
    | JsonlSource
    | CsvSource
    | ParquetSource
    | ArrowSource
    | HuggingFaceSource
    | CodeSource,
    Field(discriminator="type"),
]
