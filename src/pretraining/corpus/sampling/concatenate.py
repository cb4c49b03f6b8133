"""The ``concatenate`` step: related documents become one."""

from __future__ import annotations

import math
import shutil
import tempfile
from array import array
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
import tldextract
from numpy.typing import NDArray

from pretraining.corpus.draft import Draft
from pretraining.corpus.sections.sampling import ConcatenateStep
from pretraining.corpus.step import GlobalStep, Preparation, Rule

SEEN = np.dtype([("group", "<u8"), ("characters", "<i8"), ("offset", "<i8"), ("size", "<i8")])
"""What is remembered of a document: 32 bytes. ``group`` is a hash of what ``by`` says, 0 for nothing; the text lies at
``offset`` of the task's file of texts, ``size`` bytes long."""
PART = np.dtype([("task", "<i8"), ("offset", "<i8"), ("size", "<i8")])
"""Where a text lies that another document receives."""
PLAN = np.dtype([("twin", "<i8"), ("documents", "<i8"), ("first", "<i8"), ("parts", "<i8")])
"""What a task has to know of a document: the one it went into (-1: none), how many documents are in that text, and
which parts it receives."""
ALONE = np.array((-1, 1, 0, 0), dtype=PLAN)


class Concatenate(GlobalStep):
    """``concatenate``: the value is the number of documents in the text that a document went into; NaN if it stays.

    Texts wait on disk (as many bytes as the documents that have what ``by`` asks for), never in memory. A task holds 32
    bytes a document; the parent about 150 while it decides, which takes some 2.5 s a million.
    """

    rules = (Rule("merged", ">=", None, "documents"),)
    edits = ("documents_joined",)
    quota = True
    """Canaries stand back: their text must not end up in a document, nor the other way round."""

    def __init__(self, section: ConcatenateStep, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        self._seen = array("Q")
        self._texts: IO[bytes] | None = None

    def open(self, preparation: Preparation) -> None:
        """Where to write texts, and how to find the domain of a URL (with the list that tldextract brings along)."""
        self._folder = preparation.folder
        self._domain = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    def sign(self, draft: Draft) -> None:
        """Append the text to the task's file, if it may be joined to another."""
        group = self._group(draft.fields)
        if not group or len(draft.text) >= self.section.max_characters:
            self._seen.extend((0, 0, 0, 0))
            return
        if self._texts is None:  # unnamed: nothing stays behind when the process is killed
            self._texts = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        text = draft.text.encode("utf-8")
        self._seen.extend((group, len(draft.text), self._texts.tell(), len(text)))
        self._texts.write(text)

    def _group(self, fields: dict[str, Any]) -> int:
        """64 bits of what the document has in common with others; 0: nothing."""
        value: Any
        if self.section.by == "url_domain":
            value = self._domain(str(fields.get(self.section.url_field) or "")).top_domain_under_public_suffix.lower()
        else:
            value = fields.get(self.section.by)
        if value is None or value == "":
            return 0
        return int.from_bytes(blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") or 1

    def save(self, folder: Path, rank: int) -> None:
        """``seen-<rank>.npy`` (``SEEN``) and ``texts-<rank>.bin``."""
        np.save(folder / f"seen-{rank:05d}.npy", np.array(self._seen, dtype="<u8").view(SEEN))
        with (folder / f"texts-{rank:05d}.bin").open("wb") as file:
            if self._texts is not None:
                self._texts.seek(0)
                shutil.copyfileobj(self._texts, file, 1 << 20)
                self._texts.close()
        self._seen, self._texts = array("Q"), None

    def decide(self, folder: Path, counts: NDArray[np.int64], preparation: Preparation) -> None:
        """``plan-<rank>.npy`` (``PLAN``, [documents of the task]) and ``parts-<rank>.npy`` (``PART``)."""
        tasks = range(len(counts))
        seen = np.concatenate([np.empty(0, SEEN), *(np.load(folder / f"seen-{rank:05d}.npy") for rank in tasks)])
        task = np.repeat(np.arange(len(counts)), counts)
        first = first_of_each_text(
            seen["group"], seen["characters"], self.section.max_characters, len(self.section.separator)
        )
        plan = np.full(len(seen), ALONE, dtype=PLAN)
        merged = np.flatnonzero(first != np.arange(len(first)))
        plan["twin"][merged] = first[merged]
        documents = np.bincount(first, minlength=len(first))
        plan["documents"] = documents[first]
        received = merged[np.argsort(first[merged], kind="stable")]  # in the order of who receives, then of reading
        parts = np.empty(len(received), dtype=PART)
        parts["task"], parts["offset"], parts["size"] = task[received], seen["offset"][received], seen["size"][received]
        plan["parts"] = np.maximum(documents - 1, 0)
        ends = np.cumsum(plan["parts"])
        plan["first"] = ends - plan["parts"]
        for rank, end in enumerate(np.cumsum(counts)):
            mine = plan[end - counts[rank] : end]
            low, high = (int(mine["first"][0]), int(mine["first"][-1] + mine["parts"][-1])) if len(mine) else (0, 0)
            mine["first"] -= low
            np.save(folder / f"plan-{rank:05d}.npy", mine)
            np.save(folder / f"parts-{rank:05d}.npy", parts[low:high])

    def load(self, folder: Path, rank: int) -> None:
        """Read the task's part."""
        self._decided = folder
        self._plan = iter(np.load(folder / f"plan-{rank:05d}.npy"))
        self._parts = np.load(folder / f"parts-{rank:05d}.npy", mmap_mode="r")

    def run(self, draft: Draft) -> Iterator[float]:
        """Go into another document, or receive the texts of others."""
        plan = next(self._plan)
        self.twin = int(plan["twin"])
        parts = self._parts[int(plan["first"]) : int(plan["first"] + plan["parts"])]
        if len(parts):
            draft.text = self.section.separator.join([draft.text, *map(self._read, parts)])
            self.edited = {"documents_joined": len(parts)}
        yield float(plan["documents"]) if self.twin >= 0 else math.nan

    def _read(self, part: Any) -> str:
        with (self._decided / f"texts-{int(part['task']):05d}.bin").open("rb") as file:
            file.seek(int(part["offset"]))
            return file.read(int(part["size"])).decode("utf-8")


def first_of_each_text(
    groups: NDArray[np.uint64], characters: NDArray[np.int64], most: int, between: int
) -> NDArray[np.int64]:
    """For each document [n] the first one of the text that it goes into; its own number if it starts one or is alone.

    Args:
        groups: which documents are related, [n]; 0: to none.
        characters: of each document, [n].
        most: characters of a joined text.
        between: characters between two texts.
    """
    first = np.arange(len(groups))
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    again = np.zeros(len(order), dtype=bool)
    again[1:] = (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)
    leader, filled, previous = -1, 0, -2
    for place in np.flatnonzero(again):
        i = int(order[place])
        if place != previous + 1:  # the first two documents of a group
            leader = int(order[place - 1])
            filled = int(characters[leader])
        if filled + between + characters[i] <= most:
            first[i] = leader
            filled += between + int(characters[i])
        else:
            leader, filled = i, int(characters[i])
        previous = int(place)
    return first
