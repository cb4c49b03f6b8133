from __future__ import annotations

import multiprocessing
import signal
import time
from typing import Any

import pytest

from pretraining.corpus.executor import worker_pool
from pretraining.errors import PretrainingError


def test_one_worker_needs_no_processes() -> None:
    with worker_pool(1) as pool:
        assert pool is None


def ended(children: list[Any]) -> bool:
    """Whether all are gone: a moment after the thread of the pool has waited for one, multiprocessing knows of it."""
    deadline = time.monotonic() + 10
    while any(child.is_alive() for child in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(child.is_alive() for child in children)


def test_a_killed_worker_is_an_error_and_not_an_endless_wait() -> None:
    before = multiprocessing.active_children()  # of tests that ran in this process earlier
    says = r"a worker process was killed(.|\n)*corpus.executor.workers \(2\)"
    with pytest.raises(PretrainingError, match=says), worker_pool(2) as pool:
        assert pool is not None
        pool.submit(signal.raise_signal, signal.SIGKILL).result(timeout=60)
    assert ended([child for child in multiprocessing.active_children() if child not in before])


def test_ctrl_c_leaves_no_worker_behind() -> None:
    with pytest.raises(KeyboardInterrupt), worker_pool(2) as pool:
        assert pool is not None
        assert pool.submit(abs, -1).result(timeout=60) == 1
        children = multiprocessing.active_children()
        raise KeyboardInterrupt
    assert children and ended(children)
