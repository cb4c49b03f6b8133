"""Source code: the language by the name of the file, the licence by its header or the nearest licence text."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from pretraining.corpus.reading.chunks import no_progress, read_chunks
from pretraining.corpus.reading.encoding import decode, sniffed
from pretraining.corpus.reading.lines import read_whole
from pretraining.corpus.reading.programming import programming_language
from pretraining.corpus.reading.records import Records, Unfit, make_draft
from pretraining.corpus.reading.source_file import SourceFile
from pretraining.corpus.sections.sources import CodeSource

HEADER = 4096
"""Characters at the beginning of a file in which its SPDX line is looked for (spdx.dev, annex E of version 2.3)."""
_SPDX = re.compile(r"SPDX-License-Identifier:[ \t]*([^\r\n*]+)")
_TEXTS = (
    ("AGPL-3.0", r"gnu affero general public license\s+version 3"),
    ("LGPL-3.0", r"gnu lesser general public license\s+version 3"),
    ("LGPL-2.1", r"gnu lesser general public license\s+version 2\.1"),
    ("GPL-3.0", r"gnu general public license\s+version 3"),
    ("GPL-2.0", r"gnu general public license\s+version 2"),
    ("Apache-2.0", r"apache license,?\s+version 2\.0"),
    ("MPL-2.0", r"mozilla public license,?\s+v(?:ersion|\.)? ?2\.0"),
    ("EPL-2.0", r"eclipse public license - v 2\.0"),
    ("BSL-1.0", r"boost software license - version 1\.0"),
    ("CC0-1.0", r"cc0 1\.0 universal|creative commons zero v1\.0"),
    ("CC-BY-SA-4.0", r"attribution-sharealike 4\.0 international"),
    ("CC-BY-4.0", r"attribution 4\.0 international"),
    ("Unlicense", r"this is free and unencumbered software released into the public domain"),
    ("PSF-2.0", r"python software foundation license version 2"),
    ("BSD-3-Clause", r"redistribution and use in source and binary forms.*neither the names? of"),
    ("BSD-2-Clause", r"redistribution and use in source and binary forms"),
    ("MIT", r"permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("ISC", r"permission to use, copy, modify, and/?(?:or)? distribute this software for any\s+purpose"),
)
"""Words by which a licence text is known, in the order in which they are tried."""
_KNOWN = tuple((name, re.compile(pattern, re.DOTALL)) for name, pattern in _TEXTS)


def read_code(file: SourceFile, source: CodeSource, chunks: Iterable[bytes]) -> Records:
    """One document per file, with ``programming_language`` and, where it is known, ``license`` (SPDX) as fields."""
    chunks, encoding = sniffed(chunks, source.encoding)
    whole = read_whole(chunks)
    try:
        text = decode(whole.require_whole(), encoding, first=True)
    except Unfit as error:
        yield whole.unreadable(file, error, whole=True)
        return
    header = _SPDX.search(text, 0, HEADER)
    found = header.group(1).strip().removesuffix("-->").strip() if header else _license(file)
    fields = {"programming_language": programming_language(file.relative), "license": found}
    yield make_draft(file, source, text, fields, offset=0)


def _license(file: SourceFile) -> str | None:
    return None if file.license_file is None else _license_at(file.path if file.member else None, file.license_file)


@functools.lru_cache(maxsize=4096)
def _license_at(archive: str | None, path: str) -> str | None:
    member = None if archive is None else path
    file = SourceFile("", archive or path, path, 0, member=member)
    whole = read_whole(read_chunks(file, no_progress), limit=1 << 20)
    return identify_license(whole.data.decode("utf-8", "replace"))


def identify_license(text: str) -> str | None:
    """SPDX identifier of a licence text, by words that no other one has; None if it is none of the common ones."""
    flat = " ".join(text[:20_000].lower().split())
    return next((name for name, pattern in _KNOWN if pattern.search(flat)), None)
