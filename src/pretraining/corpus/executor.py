"""The tasks of a pass, on this machine: datatrove's local executor, quiet, with errors that reach the caller.

Its own pool is not used because it waits for ever when a worker is killed (a pool of ``multiprocess`` loses the
task without a word), imports the user's main script again in every worker, and leaves the workers behind when the
command itself is killed.
"""

from __future__ import annotations

import copy
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.utils.logging import logger

from pretraining.errors import PretrainingError


class Pool(Protocol):
    """Where tasks run: processes here, or a cluster."""

    def submit(self, function: Callable[[int], Any], rank: int, /) -> Future[Any]:
        """Start a task."""
        ...


class TaskExecutor(LocalPipelineExecutor):  # type: ignore[misc]  # datatrove has no types
    """Runs a pipeline once per task; what the tasks write does not depend on how many run at a time."""

    pipeline: list[Any]

    def __init__(self, pipeline: list[Any], *, tasks: int, logs: Path) -> None:
        # An absolute path, because fsspec keeps the folder that it once took for a relative one.
        # Tasks that are done are skipped: the work folder is thrown away when the recipe or the input changed, which
        # datatrove would not notice.
        super().__init__(pipeline, tasks, workers=1, logging_dir=str(logs.resolve()), skip_completed=True)

    def run(self, pool: Pool | None = None) -> None:
        """Run all tasks, in the processes of ``pool`` or one after the other here. Their errors come as they are."""
        ranks = self.get_incomplete_ranks()
        if pool is not None:
            with _without_main_module():
                futures = [pool.submit(self._run_for_rank, rank) for rank in ranks]
            _raise_first_error(futures)
            return
        pipeline = self.pipeline
        for rank in ranks:
            self.pipeline = copy.deepcopy(pipeline)
            self._run_for_rank(rank)

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> None:
        """As datatrove's, without a log and statistics, which cost a tenth of a second for every task of every pass."""
        logger.disable("datatrove")  # an error is raised, and told by the caller
        if not self.is_rank_completed(rank):
            data: Any = None
            for block in self.pipeline:
                data = block(data, rank, self.world_size)
            deque(data or (), maxlen=0)
            self.mark_rank_as_completed(rank)


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    """Processes for ``TaskExecutor.run``; None for one worker. After an error or Ctrl-C none is left running.

    Raises:
        PretrainingError: a worker was killed.
    """
    if workers == 1:
        yield None
        return
    others = multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _prepare_worker)
    try:
        yield pool
        pool.shutdown()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        mine = [process for process in multiprocessing.active_children() if process not in others]
        for process in mine:
            process.terminate()
        for process in mine:  # the caller removes the folder that they write in
            process.join()
        if isinstance(error, BrokenProcessPool):
            raise PretrainingError(
                "a worker process was killed, most likely because memory ran out\n"
                f"    lower corpus.executor.workers ({workers}), or split the largest file"
            ) from error
        raise


def _raise_first_error(futures: list[Future[Any]]) -> None:
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in futures:
        if future in done:
            future.result()


@contextmanager
def _without_main_module() -> Iterator[None]:
    """Start workers that do not import the main script again: they need nothing of it, and it may lack a main guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
