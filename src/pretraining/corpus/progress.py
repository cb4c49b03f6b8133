"""How far the build is, in bytes read, over all its processes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


class Progress:
    """Bytes read so far by each task, in a file that all processes map. ``total`` is for the parent."""

    def __init__(self, path: Path, tasks: int) -> None:
        self.path = path
        np.zeros(max(tasks, 1), dtype=np.int64).tofile(path)

    def counter(self, rank: int) -> Callable[[int], None]:
        """A function for the task to add bytes with."""
        counts = np.memmap(self.path, dtype=np.int64, mode="r+")

        def advance(bytes: int) -> None:
            counts[rank] += bytes

        return advance

    def total(self) -> int:
        """Bytes read by all tasks."""
        return int(np.fromfile(self.path, dtype=np.int64).sum())


@contextmanager
def progress_bar(bytes_read: Progress, total: int, *, show: bool) -> Iterator[None]:
    """One bar on stderr, over the bytes that all tasks have read; none if the terminal is not interactive."""
    if not (show and sys.stderr.isatty()):
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("corpus"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    done = threading.Event()
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)

        def follow() -> None:
            while not done.wait(0.2):
                bar.update(task, completed=bytes_read.total())

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
