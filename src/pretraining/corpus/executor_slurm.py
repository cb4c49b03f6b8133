"""The tasks of a pass, on a Slurm cluster: datatrove submits them, and this waits until all are done."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from datatrove.executor.slurm import SlurmPipelineExecutor
from datatrove.utils.logging import logger

from pretraining.corpus.config import Executor
from pretraining.errors import DataError, PretrainingError

POLL_SECONDS = 5.0


class SlurmTaskExecutor(SlurmPipelineExecutor):  # type: ignore[misc]  # datatrove has no types
    """Submits a job array (or several), and waits. Tasks that are done are not submitted again."""

    def __init__(self, pipeline: list[Any], executor: Executor, *, tasks: int, logs: Path) -> None:
        slurm = executor.slurm
        assert slurm is not None
        super().__init__(
            pipeline,
            tasks,
            time=slurm.time,
            partition=slurm.partition,
            cpus_per_task=slurm.cpus_per_task,
            mem_per_cpu_gb=slurm.memory_gb_per_cpu,
            workers=executor.workers,
            job_name=f"corpus-{logs.name}",
            qos=slurm.sbatch.get("qos", ""),
            env_command=slurm.environment or None,
            sbatch_args=dict(slurm.sbatch),
            logging_dir=str(logs.resolve()),
            skip_completed=True,
        )

    def run(self) -> None:
        """In a job: run its tasks. Elsewhere: submit, and wait.

        Raises:
            DataError: there is no Slurm here.
            PretrainingError: tasks failed; says where their logs are.
        """
        logger.disable("datatrove")
        if "SLURM_ARRAY_TASK_ID" in os.environ:
            super().run()
            return
        if shutil.which("sbatch") is None:
            raise DataError("corpus.executor.type is slurm, but there is no `sbatch` on this machine")
        self.launch_job()
        while self.get_incomplete_ranks() and self._queued():
            time.sleep(POLL_SECONDS)
        failed = self.get_incomplete_ranks()
        if failed:
            raise PretrainingError(
                f"{len(failed)} of {self.tasks} tasks failed on the cluster\n"
                f"    see {self.slurm_logs_folder}; the same command goes on with what is missing"
            )

    def launch_merge_stats(self) -> None:
        """Our ledger counts; datatrove's statistics are not needed."""

    def _queued(self) -> bool:
        """Whether the jobs are waiting or running."""
        command = ["squeue", "--noheader", "--jobs", str(self.job_id)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        return found.returncode == 0 and bool(found.stdout.strip())
