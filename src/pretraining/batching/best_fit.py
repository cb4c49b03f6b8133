"""Best-fit decreasing: which row each piece goes to, for any number of pieces at the cost of a few thousand steps.

Pieces are placed from the longest to the shortest, each into the open row with the least room that still holds it
(Johnson 1974; for language models Ding et al. 2024, arXiv 2404.10830); of rows with the same room the last one
touched comes first. Pieces of one length need not be placed one by one. While length ``l`` is placed, the row that
was chosen, with room ``r``, stays the best fit until its room is below ``l``: it takes ``r // l`` pieces. All rows
with that room do the same, one after the other. So a step places one length into one run of rows of like room::

    length 3, 5 pieces; open: rows 4, 5, 6 with room 7          (the last one touched on top)
    row 6 takes pieces 0 1, row 5 takes 2 3, row 4 takes 4      room 1: rows 6, 5   room 4: row 4

Rows that were opened together stay neighbours, so a run is (first row, direction, number of rows). A length splits
at most two runs and opens one, and each step at least halves the room of its rows: ``row_length`` bounds the number
of runs, whatever the number of pieces.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Run(NamedTuple):
    """``rows`` rows ``first, first + step, ...``; ``step`` is 1 or -1."""

    first: int
    step: int
    rows: int


class OpenRows:
    """Rows with room left, by room; of like rooms the last one that was added is taken first."""

    def __init__(self) -> None:
        self._rooms: list[int] = []  # those that occur, in order
        self._runs: dict[int, list[Run]] = {}

    def add(self, room: int, run: Run) -> None:
        """Keep rows that were filled in the order of ``run`` down to ``room``; full ones are closed."""
        if not room:
            return
        if room not in self._runs:
            self._rooms.insert(bisect_left(self._rooms, room), room)
            self._runs[room] = []
        self._runs[room].append(Run(run.first + run.step * (run.rows - 1), -run.step, run.rows))

    def take(self, length: int, pieces: int) -> tuple[int, Run] | None:
        """(room, rows in the order in which to fill them) of the least room for ``length``, as many rows as ``pieces``
        need, or the run that is on top if it has fewer; None when no row has room."""
        at = bisect_left(self._rooms, length)
        if at == len(self._rooms):
            return None
        room = self._rooms[at]
        run = self._runs[room].pop()
        rows = min(run.rows, -(-pieces // (room // length)))
        if rows < run.rows:
            self._runs[room].append(Run(run.first + run.step * rows, run.step, run.rows - rows))
        elif not self._runs[room]:
            del self._rooms[at], self._runs[room]
        return room, Run(run.first, run.step, rows)


class Placed(NamedTuple):
    """Pieces in their order, longest first, and the rows that took them; int64 arrays, one entry a step.

    In step ``s`` the piece ``i`` of ``pieces[s]`` goes to row ``first[s] + step[s] * (i // each[s])``.
    """

    pieces: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    each: npt.NDArray[np.int64]
    rows: int


def place(counts: npt.NDArray[np.int64], row_length: int) -> Placed:
    """Place ``counts[l]`` pieces of each length ``l`` (1 to ``row_length``) into rows ``0, 1, ...``."""
    steps: list[tuple[int, int, int, int]] = []
    open_rows, opened = OpenRows(), 0
    for length in np.flatnonzero(counts)[::-1].tolist():
        left = int(counts[length])
        while left:
            taken = open_rows.take(length, left)
            if taken is None:
                new = -(-left // (row_length // length))
                taken = row_length, Run(opened, 1, new)
                opened += new
            room, run = taken
            each = room // length
            pieces = min(left, run.rows * each)
            steps.append((pieces, run.first, run.step, each))
            full, last = divmod(pieces, each)
            if full:
                open_rows.add(room - each * length, Run(run.first, run.step, full))
            if last:
                open_rows.add(room - last * length, Run(run.first + run.step * full, run.step, 1))
            left -= pieces
    pieces_of, first, step, each_of = np.array(steps, np.int64).reshape(-1, 4).T
    return Placed(pieces_of, first, step, each_of, opened)
