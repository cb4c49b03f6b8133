"""What ``accelerate launch -m pretraining.train RECIPE [a.b=c ...]`` runs: training alone.

The token store and the batch plan must be there (``pretrain tokens``). The result is the folder ``model/``.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import UserError, shown_errors
from pretraining.launch import ALLOW_DIFFERENT_DATA, DEBUG, LOCK_HELD, die_with_parent, report_status

if TYPE_CHECKING:
    from pretraining.recipe.loading import LoadedRecipe
    from pretraining.run import Run
    from pretraining.training.checkpoints import TrainingState
    from pretraining.training.setup import Setup


def main(arguments: Sequence[str]) -> int:
    """Train the recipe in ``arguments[0]`` with the overrides after it; returns the exit status.

    ``--debug`` shows the traceback of an error; ``--allow-different-data`` as for ``pretrain train``.
    """
    die_with_parent()
    rank = int(os.environ.get("RANK", "0"))
    debug = bool(os.environ.get(DEBUG)) or "--debug" in arguments
    allow = ALLOW_DIFFERENT_DATA in arguments
    arguments = [argument for argument in arguments if argument not in ("--debug", ALLOW_DIFFERENT_DATA)]
    with shown_errors(debug=debug, prefix=f"[rank {rank}] " if rank else "") as outcome:
        if not arguments:
            raise UserError(
                "which recipe? accelerate launch --config_file X.yaml -m pretraining.train RECIPE [a.b=c ...]"
            )
        from pretraining.recipe.loading import load_recipe

        ranks = int(os.environ.get("WORLD_SIZE", "1"))
        loaded = load_recipe(Path(arguments[0]), arguments[1:], ranks=ranks)
        train_recipe(loaded, main_process=rank == 0, allow_different_data=allow)
    report_status(outcome.exit_status)
    return outcome.exit_status


def train_recipe(loaded: LoadedRecipe, *, main_process: bool, allow_different_data: bool = False) -> None:
    """Train, or go on training, and write ``model/``."""
    from pretraining.manifests import run_lock
    from pretraining.run import Run
    from pretraining.stages import BY_NAME, begin, require_inputs

    run = Run(loaded, Path("runs") / loaded.recipe.name, allow_different_data=allow_different_data)
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
    from pretraining.training.setup import make_setup

    recipe = run.loaded.recipe
    accelerator = make_accelerator(trackers=recipe.training.trackers, project=run.folder)
    folder = run.folder / "checkpoints"
    found: list[Path | None] = []

    def resumed_step(identity: dict[str, Any]) -> int:
        found.append(checkpoints.newest(folder, identity, allow_different_data=run.allow_different_data))
        if found[0] is None:
            return 0
        if recipe.training.checkpoints.resume == "never":
            raise CheckpointError(
                f"{folder} holds checkpoints and training.checkpoints.resume is never; move them away or set it to auto"
            )
        return checkpoints.read_state(found[0]).step

    setup = make_setup(run.job(), accelerator, resumed_step=resumed_step)
    if recipe.training.trackers:
        accelerator.init_trackers(recipe.name)
    state = checkpoints.TrainingState(identity=setup.identity)
    if found[0] is not None:
        state = checkpoints.read_state(found[0])
        setup.scatter(*checkpoints.read_tensors(found[0]), step=state.step)
        if state.step < setup.timeline.steps:
            state.resumed_at.append(state.step)
        setup.say(f"going on from step {state.step:,} of {setup.timeline.steps:,} ({found[0]})")
        record_changes(setup, state)
    setup.say(describe(setup))
    return setup, state


def record_changes(setup: Setup, state: TrainingState) -> None:
    """Where the data differs from that of the checkpoint, as ``--allow-different-data`` allows: say it and keep it.

    What adaptive mixing has decided holds on if the recipe mixes the same sources as before; else it begins anew.
    """
    from pretraining.training.checkpoints import differences

    changed = differences(state.identity, setup.identity)
    if not changed:
        return
    was, now = ({key: values[side] for key, values in changed.items()} for side in (0, 1))
    state.data_changes.append({"step": state.step, "was": was, "now": now})
    state.identity = setup.identity
    setup.metrics.write({"step": state.step, "tokens": state.tokens, "data_change": {"was": was, "now": now}})
    setup.say(f"from step {state.step:,} on with different data:")
    for key, (before, after) in changed.items():
        setup.say(f"  {key}: {json.dumps(before)} before, {json.dumps(after)} now")
    other_mixture = any(key.startswith("batches.") for key in changed) or not setup.data.fits(state.decisions)
    if state.decisions and other_mixture:
        setup.say("  the mixture is that of the recipe again: what was decided before was decided for another one")
        state.decisions = []


def describe(setup: Setup) -> str:
    """What is about to be trained, each number with how it came about."""
    job, timeline = setup.job, setup.timeline
    mode = setup.accelerator.distributed_type.value
    first, last = timeline.legs[0], timeline.legs[-1]
    ramp = job.training.batch_tokens
    growing = "" if isinstance(ramp, int) else f", growing to {last.batch_tokens:,} over {ramp.over}"
    trained = sum(parameter.numel() for parameter in setup.inner.parameters())
    more = trained - setup.parameters  # ELECTRA's generator, SimCSE's and SpanBERT's heads
    beside = f" (and {more:,} beside the model)" if more else ""
    lines = [
        f"{job.model.architecture}, {setup.parameters:,} parameters{beside}, "
        f"{setup.flops_per_token(setup.sequence_length) / 1e6:.1f} MFLOP a token; "
        f"{'fused linear cross entropy' if setup.inner.fused else 'cross entropy on full logits'}",
        f"{timeline.steps:,} steps x {first.batch_tokens:,} tokens{growing} ({setup.accelerator.num_processes} ranks x "
        f"{setup.micro_batches(0)} micro-batches x {job.training.micro_batch_size} rows x {first.sequence_length}) = "
        f"{timeline.tokens:,} tokens, {timeline.tokens / setup.epoch_tokens:.2f} epochs; "
        f"{'one process' if mode == 'NO' else mode}, mixed precision {setup.accelerator.mixed_precision}, "
        f"matrix-product peak {setup.peak / 1e9:,.0f} GFLOP/s per rank",
    ]
    return "\n".join([*lines, *(stage_line(setup, number) for number in range(len(job.batches.stages)))])


def stage_line(setup: Setup, number: int) -> str:
    """One stage: its steps, rows and mixture."""
    timeline = setup.timeline
    legs = [leg for leg in timeline.legs if leg.stage == number]
    first, steps = legs[0].first_step, sum(leg.steps for leg in legs)
    tokens = sum(leg.steps * leg.batch_tokens for leg in legs)
    mixture = ", ".join(f"{source} {share:.2%}" for source, share in setup.data.weights(first).items())
    return (
        f"stage {timeline.stage_names[number]}: steps {first + 1:,} to {first + steps:,}, {tokens:,} tokens in rows of "
        f"{legs[0].sequence_length}{f'; {mixture}' if mixture else ''}"
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
            save_model(
                setup.inner.model,
                setup.inner.published(weights),
                setup.tokenizer,
                output,
                sequence_length=setup.sequence_length,
            )
            speed = state.tokens / max(state.seconds, 1e-9)
            resumed = f", resumed at step {', '.join(map(str, state.resumed_at))}" if state.resumed_at else ""
            summary = (
                f"{state.step:,} steps, {state.tokens:,} tokens in {state.seconds:.0f} s, "
                f"{speed:,.0f} tokens/s{resumed}"
            )
            write_manifest(
                run,
                BY_NAME["train"],
                output,
                seconds=state.seconds,
                summary=summary,
                parameters=setup.parameters,
                start=setup.job.start,
            )
        record(run)
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
