"""The tasks of a pass, on a Ray cluster: one Ray task each, with the same code and so the same bytes as on one machine.

datatrove's own Ray executor is not used because it does not raise the error of a task, and starts a pool of forked
processes in every actor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from pretraining.corpus.config import Executor
from pretraining.errors import DataError, PretrainingError


class RayPool:
    """``submit`` starts a Ray task on one processor; a worker that dies is replaced, its task run again."""

    def __init__(self, ray: Any) -> None:
        self._run = ray.remote(num_cpus=1, max_retries=3)(_call)

    def submit(self, function: Callable[[int], Any], rank: int, /) -> Future[Any]:
        """Start a task."""
        future: Future[Any] = self._run.remote(function, rank).future()
        return future


def _call(function: Callable[[int], Any], rank: int) -> None:
    function(rank)


@contextmanager
def ray_pool(executor: Executor) -> Iterator[RayPool]:
    """Connect to the cluster of the section, or start one here; leave it at the end.

    Raises:
        DataError: Ray is not installed, or there is no cluster at the address.
        PretrainingError: a worker died again and again.
    """
    try:
        import ray
        from ray.exceptions import RayTaskError, WorkerCrashedError
    except ImportError:
        raise DataError("corpus.executor.type is ray, which is not installed\n    pip install 'ray>=2.40'") from None
    try:
        if executor.ray_address is None:
            ray.init(
                num_cpus=executor.workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
            )
        else:
            ray.init(address=executor.ray_address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise DataError(f"there is no Ray cluster at {executor.ray_address}: {error}") from error
    try:
        yield RayPool(ray)
    except RayTaskError as error:
        raise error.cause from error
    except WorkerCrashedError as error:
        raise PretrainingError("a Ray worker died again and again, most likely because memory ran out") from error
    finally:
        ray.shutdown()
