"""What ``accelerate launch -m pretraining.train RECIPE [a.b=c ...]`` runs: training alone.

The token store and the batch plan must be there (``pretrain tokens``). The result is the folder ``model/``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import UserError, shown_errors
from pretraining.launch import DEBUG, LOCK_HELD, die_with_parent, report_status

if TYPE_CHECKING:
    from pretraining.recipe.loading import LoadedRecipe
    from pretraining.stages import Run
    from pretraining.training.checkpoints import TrainingState
    from pretraining.training.setup import Setup


def main(arguments: Sequence[str]) -> int:
    """Train the recipe in ``arguments[0]`` with the overrides after it; returns the exit status."""
    die_with_parent()
    rank = int(os.environ.get("RANK", "0"))
    debug = bool(os.environ.get(DEBUG)) or "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    with shown_errors(debug=debug, prefix=f"[rank {rank}] " if rank else "") as outcome:
        if not arguments:
            raise UserError(
                "which recipe? accelerate launch --config_file X.yaml -m pretraining.train RECIPE [a.b=c ...]"
            )
        from pretraining.recipe.loading import load_recipe

        ranks = int(os.environ.get("WORLD_SIZE", "1"))
        train_recipe(load_recipe(Path(arguments[0]), arguments[1:], ranks=ranks), main_process=rank == 0)
    report_status(outcome.exit_status)
    return outcome.exit_status


def train_recipe(loaded: LoadedRecipe, *, main_process: bool) -> None:
    """Train, or go on training, and write ``model/``."""
    from pretraining.manifests import run_lock
    from pretraining.stages import BY_NAME, Run, begin, require_inputs

    run = Run(loaded, Path("runs") / loaded.recipe.name)
    alone = main_process and not os.environ.get(LOCK_HELD)
    with run_lock(run.folder) if alone else contextlib.nullcontext():
        require_inputs(run, BY_NAME["train"])
        if alone:
            begin(run)
        setup, state = prepare(run)
        from pretraining.training.loop import train

        train(setup, state)
        finish(run, setup, state)


def prepare(run: Run) -> tuple[Setup, TrainingState]:
    """The setup, and the state to start from: new, or that of the newest checkpoint."""
    from pretraining.errors import CheckpointError
    from pretraining.training import checkpoints
    from pretraining.training.distributed import make_accelerator
    from pretraining.training.job import Job
    from pretraining.training.setup import make_setup

    recipe = run.loaded.recipe
    job = Job(run.folder, recipe.seed, recipe.batches, recipe.objective, recipe.model, recipe.training)
    accelerator = make_accelerator(trackers=recipe.training.trackers, project=run.folder)
    folder = run.folder / "checkpoints"
    found: list[Path | None] = []

    def resumed_step(identity: dict[str, Any]) -> int:
        found.append(checkpoints.newest(folder, identity))
        if found[0] is None:
            return 0
        if recipe.training.checkpoints.resume == "never":
            raise CheckpointError(
                f"{folder} holds checkpoints and training.checkpoints.resume is never; move them away or set it to auto"
            )
        return checkpoints.read_state(found[0]).step

    setup = make_setup(job, accelerator, resumed_step=resumed_step)
    if recipe.training.trackers:
        accelerator.init_trackers(recipe.name)
    state = checkpoints.TrainingState(identity=setup.identity)
    if found[0] is not None:
        state = checkpoints.read_state(found[0])
        setup.scatter(*checkpoints.read_tensors(found[0]), step=state.step)
        if state.step < setup.horizon.steps:
            state.resumed_at.append(state.step)
        setup.say(f"going on from step {state.step:,} of {setup.horizon.steps:,} ({found[0]})")
    setup.say(describe(setup))
    return setup, state


def describe(setup: Setup) -> str:
    """What is about to be trained, each number with how it came about."""
    job, steps = setup.job, setup.horizon.steps
    length = job.batches.sequence_length
    tokens = steps * job.training.batch_tokens
    mode = setup.accelerator.distributed_type.value
    return (
        f"{job.model.architecture}, {setup.parameters:,} parameters, {setup.flops_per_token / 1e6:.1f} MFLOP a token; "
        f"{'fused linear cross entropy' if setup.module_is_fused else 'cross entropy on full logits'}\n"
        f"{steps:,} steps x {job.training.batch_tokens:,} tokens ({setup.accelerator.num_processes} ranks x "
        f"{setup.micro_batches} micro-batches x {job.training.micro_batch_size} rows x {length}) = {tokens:,} tokens, "
        f"{tokens / setup.epoch_tokens:.2f} epochs; {'one process' if mode == 'NO' else mode}, "
        f"mixed precision {setup.accelerator.mixed_precision}, "
        f"matrix-product peak {setup.peak / 1e9:,.0f} GFLOP/s per rank"
    )


def finish(run: Run, setup: Setup, state: TrainingState) -> None:
    """Write ``model/`` with its manifest: every rank gathers, the main process writes."""
    from pretraining.manifests import new_folder
    from pretraining.stages import BY_NAME, record, write_manifest
    from pretraining.training.export import save_model

    accelerator = setup.accelerator
    weights, _ = setup.gather(step=state.step, optimizer=False)
    if accelerator.is_main_process:
        with new_folder(run.folder / "model") as output:
            save_model(setup.weights_module(), weights, setup.tokenizer, output, sequence_length=setup.sequence_length)
            speed = state.tokens / max(state.seconds, 1e-9)
            resumed = f", resumed at step {', '.join(map(str, state.resumed_at))}" if state.resumed_at else ""
            summary = (
                f"{state.step:,} steps, {state.tokens:,} tokens in {state.seconds:.0f} s, "
                f"{speed:,.0f} tokens/s{resumed}"
            )
            write_manifest(
                run, BY_NAME["train"], output, seconds=state.seconds, summary=summary, parameters=setup.parameters
            )
        record(run)
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
