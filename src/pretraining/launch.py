"""Start training with ``accelerate launch``, pass signals on to it, and never leave it behind."""

from __future__ import annotations

import contextlib
import ctypes
import difflib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import Interrupted, TrainingError, UserError

if TYPE_CHECKING:
    from pretraining.run import Run

STATUS_FILE = "PRETRAINING_STATUS_FILE"
LOCK_HELD = "PRETRAINING_LOCK_HELD"
DEBUG = "PRETRAINING_DEBUG"
ALLOW_DIFFERENT_DATA = "--allow-different-data"


def config_folders() -> list[Path]:
    """Where accelerate configs are looked for by name: here, and in the checkout that this package runs from."""
    return [Path("accelerate_configs"), Path(__file__).parents[2] / "accelerate_configs"]


def find_accelerate_config(name: str | None) -> Path:
    """The file of ``--accelerate-config``: a path, or the name of one in ``accelerate_configs/``.

    Without a name it is ``single_gpu`` where torch sees a GPU, else ``cpu``.

    Raises:
        UserError: there is no such file.
    """
    if name is None:
        import torch

        name = "single_gpu" if torch.cuda.is_available() else "cpu"
    if Path(name).is_file():
        return Path(name)
    known = {path.stem: path for folder in reversed(config_folders()) for path in sorted(folder.glob("*.yaml"))}
    if Path(name).stem in known and Path(name).suffix in ("", ".yaml"):
        return known[Path(name).stem]
    near = difflib.get_close_matches(name, known, n=1)
    raise UserError(
        f"--accelerate-config {name}: no such file"
        + (f"; did you mean {near[0]}?" if near else "")
        + f". Known: {', '.join(sorted(known)) or 'none here'}"
    )


def launch_command(run: Run) -> list[str]:
    """The command line that trains the recipe; the one that the README shows, with this Python."""
    config = find_accelerate_config(run.accelerate_config)
    return [
        *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--quiet"),
        *("--config_file", str(config), "-m", "pretraining.train", str(run.loaded.path), *run.loaded.overrides),
        *([ALLOW_DIFFERENT_DATA] if run.allow_different_data else []),
    ]


def cpu_threads(run: Run) -> dict[str, str]:
    """``OMP_NUM_THREADS`` for a CPU config: the physical cores, as accelerate would choose, without its warning."""
    import psutil
    import yaml

    config = yaml.safe_load(find_accelerate_config(run.accelerate_config).read_text("utf-8")) or {}
    if not config.get("use_cpu") or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, (psutil.cpu_count(logical=False) or 1) // config.get("num_processes", 1)))}


def launch_training(run: Run) -> None:
    """Run ``accelerate launch`` and wait.

    The launcher gets a session of its own, so that Ctrl-C reaches this process alone, which passes it on to the
    training processes; the launcher would print a traceback. If this process is killed, the kernel tells them.

    Raises:
        Interrupted: a signal stopped the training, which saved a checkpoint first, or ended it before it had begun.
        UserError: something of the user's stopped it, before its first step or later; its message is on stderr already.
        TrainingError: it failed, as above.
    """
    with tempfile.TemporaryDirectory() as folder:
        status_file = Path(folder) / "status"
        environment = os.environ | {STATUS_FILE: str(status_file), LOCK_HELD: "1"} | ({DEBUG: "1"} if run.debug else {})
        launcher = subprocess.Popen(
            launch_command(run),
            env=environment | cpu_threads(run),
            start_new_session=True,
            pass_fds=() if run.lock is None else (run.lock,),  # whoever trains keeps the run folder locked
            preexec_fn=die_with_parent,  # noqa: PLW1509  # this process has no threads of its own yet
        )
        with forwarded_signals(launcher) as forwarded:
            code = launcher.wait()
        if status_file_written := status_file.exists():
            status = int(status_file.read_text())
        else:  # a signal before the training listens ends it on the spot, and nothing is reported
            status = 128 + forwarded[0] if code and forwarded else code
    if status > 128:
        raise Interrupted("training stopped; the same command goes on from its last checkpoint", status - 128)
    if status == 2:
        raise UserError("training stopped; see the message above")
    if status or code:
        ended = (
            "" if status_file_written else " Where there is none, a process was killed: memory ran out, most likely."
        )
        raise TrainingError(f"training failed; see the message above.{ended}")


@contextlib.contextmanager
def forwarded_signals(launcher: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass SIGINT and SIGTERM on to the direct children of the launcher, the training processes; yields which came."""
    import psutil

    forwarded: list[int] = []

    def forward(number: int, frame: Any) -> None:
        forwarded.append(number)
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(launcher.pid).children()
            for process in children or [psutil.Process(launcher.pid)]:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield forwarded
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def die_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent dies; elsewhere nothing happens."""
    if sys.platform == "linux":
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def report_status(status: int) -> None:
    """Tell ``launch_training`` how it ended: the launcher's own exit status does not."""
    path = os.environ.get(STATUS_FILE)
    if path and os.environ.get("RANK", "0") == "0":
        with contextlib.suppress(FileNotFoundError):  # nobody waits any more: the command was killed with its folder
            Path(path).write_text(str(status))
