"""A document on its way through the steps, with what they measure and the views of its text that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from datatrove.data import Document

View = TypeVar("View")


class Draft(Document):  # type: ignore[misc]  # datatrove has no types
    """A datatrove document that knows where it came from and remembers what was measured.

    Attributes:
        text: assign to it to edit the document; views of the old text are forgotten.
        source: name of the source.
        file: path of the file below the root of its source, with ``/``.
        record: line, row or record in the file, from 1; None where the file is the document.
        offset: byte of the record in the (decompressed) file; None where there is no such thing.
        fields: what the source told besides text and id, and what steps add (``language``, ``quality_score``, ...).
            Plain JSON values. It becomes the column ``metadata``.
        language: ``code_Script`` (ISO 639-3 and ISO 15924: ``eng_Latn``, ``cmn_Hani``), from the source or from the
            ``language`` step; None while nobody has said it.
        values: for every step so far, what its rules measured, in the order of its rules.
        sizes: UTF-8 bytes of the text before the first step, and after each step so far.
        edits: for every step so far, how often it edited what (``{"lines_removed": 3}``).
        hash: of the text as it was read; the engine's, as all that follows.
        row: place of the record among all records of its task, unreadable ones included.
        place: place of the document in the store that it was read from.
        twin: number of the document that this one repeats, or -1.
        before: (number of the step, beginning of the text that it edited), for every step that edited, in order.
        verdict: (number of the step, why it removed the document), None while it is kept.
    """

    __slots__ = (
        "_text",
        "_views",
        "before",
        "edits",
        "fields",
        "file",
        "hash",
        "language",
        "offset",
        "place",
        "record",
        "row",
        "sizes",
        "source",
        "twin",
        "values",
        "verdict",
    )

    def __init__(
        self,
        text: str,
        id: str,
        *,
        source: str,
        file: str,
        record: int | None = None,
        offset: int | None = None,
        fields: dict[str, Any] | None = None,
        language: str | None = None,
    ) -> None:
        self._views: dict[Any, Any] = {}
        super().__init__(text, id)
        self.source, self.file, self.record, self.offset = source, file, record, offset
        self.fields = {} if fields is None else fields
        self.language = language
        self.values: list[tuple[float, ...]] = []
        self.sizes: list[int] = []
        self.edits: list[dict[str, int]] = []
        self.hash: str | None = None
        self.row, self.place, self.twin = -1, -1, -1
        self.before: list[tuple[int, str]] = []
        self.verdict: tuple[int, Any] | None = None

    @property
    def text(self) -> str:
        """The text as it is now."""
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._text = text
        self._views.clear()

    def view(self, make: Callable[[str], View]) -> View:
        """``make(text)``, computed once for each text: words, lines or sentences that several steps look at.

        Args:
            make: a function of the text alone. It is the key, so pass the same object every time (no fresh lambda).
        """
        try:
            return self._views[make]  # type: ignore[no-any-return]
        except KeyError:
            view = self._views[make] = make(self._text)
            return view


def utf8_length(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8"))
