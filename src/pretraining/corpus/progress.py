"""How far a pass is, in bytes read or documents, over all its processes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

Count = Callable[[int], None]


class Progress:
    """(bytes, documents) so far of each task, in a file that all processes map."""

    def __init__(self, path: Path, tasks: int) -> None:
        self.path = path
        np.zeros((tasks, 2), dtype=np.int64).tofile(path)

    def counters(self, rank: int) -> tuple[Count, Count]:
        """Two functions for the task: to add bytes, and to add documents."""
        counts = np.memmap(self.path, dtype=np.int64, mode="r+").reshape(-1, 2)[rank]

        def add_bytes(number: int) -> None:
            counts[0] += number

        def add_documents(number: int) -> None:
            counts[1] += number

        return add_bytes, add_documents

    def total(self) -> tuple[int, int]:
        """(bytes, documents) of all tasks."""
        bytes_, documents = np.fromfile(self.path, dtype=np.int64).reshape(-1, 2).sum(axis=0).tolist()
        return bytes_, documents


@contextmanager
def progress_bar(title: str, done: Progress, *, bytes: int = 0, documents: int = 0, show: bool) -> Iterator[None]:
    """A bar on stderr, towards ``bytes`` or else ``documents``, with documents per second and the time left.

    None if the terminal is not interactive.
    """
    if not (show and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    short = title if len(title) <= 40 else title[:39] + "…"
    columns = (TextColumn(short), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[speed]}"))
    stop = threading.Event()
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=bytes or documents, speed="")

        def follow() -> None:
            while not stop.wait(0.2):
                so_far = done.total()
                seconds = bar.tasks[0].elapsed or 1.0
                speed = f"{so_far[1]:,} documents, {so_far[1] / seconds:,.0f}/s"
                bar.update(task, completed=so_far[0] if bytes else so_far[1], speed=speed)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
