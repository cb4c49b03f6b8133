"""Where the tasks of a pass run: ``corpus.executor``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pretraining.corpus.config import Executor
from pretraining.corpus.executor import TaskExecutor, worker_pool

RunTasks = Callable[[list[Any], Path], None]
"""Runs the blocks of a pass in every task; datatrove's marks of what is done go to the folder."""


@contextmanager
def executing(executor: Executor, tasks: int) -> Iterator[RunTasks]:
    """Start the workers, and stop them at the end."""
    if executor.type == "slurm":
        from pretraining.corpus.executor_slurm import SlurmTaskExecutor

        yield lambda blocks, logs: SlurmTaskExecutor(blocks, executor, tasks=tasks, logs=logs).run()
    elif executor.type == "ray":
        from pretraining.corpus.executor_ray import ray_pool

        with ray_pool(executor) as pool:
            yield lambda blocks, logs: TaskExecutor(blocks, tasks=tasks, logs=logs).run(pool)
    else:
        with worker_pool(min(executor.workers, tasks)) as processes:
            yield lambda blocks, logs: TaskExecutor(blocks, tasks=tasks, logs=logs).run(processes)
