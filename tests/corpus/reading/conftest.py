"""A short way to read one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pretraining.corpus.draft import Draft
from pretraining.corpus.ledger import Unreadable
from pretraining.corpus.readers import REASONS, Skipped, read_file
from pretraining.corpus.sections.sources import Source
from pretraining.corpus.sources import source_files


@dataclass
class WhatWasRead:
    """Everything that the files of a source gave."""

    docs: list[Draft] = field(default_factory=list)
    lost: list[Unreadable] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    advanced: int = 0
    size: int = 0

    @property
    def texts(self) -> dict[str, str]:
        """Text by id."""
        return {doc.id: doc.text for doc in self.docs}

    @property
    def reasons(self) -> list[tuple[int | None, str]]:
        """(record, reason) of what was lost."""
        return [(record.record, record.reason) for record in self.lost]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., WhatWasRead]:
    """``read(type=..., path=..., key=value)`` reads all files of a source called ``s``; ``base`` is ``tmp_path``."""

    def run(**keys: Any) -> WhatWasRead:
        source = TypeAdapter(Source).validate_python({"name": "s", **keys})
        result = WhatWasRead()

        def advance(read: int) -> None:
            result.advanced += read

        for file in source_files(source, tmp_path):
            result.size += file.size
            for record in read_file(file, source, advance):
                if isinstance(record, Unreadable):
                    assert record.reason in REASONS
                    result.lost.append(record)
                elif isinstance(record, Skipped):
                    result.skipped[record.kind] = result.skipped.get(record.kind, 0) + record.records
                else:
                    result.docs.append(record)
        return result

    return run
