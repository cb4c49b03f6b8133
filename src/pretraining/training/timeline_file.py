"""``timeline.json`` of a run: which step takes which samples, for whoever looks at the run without training."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pretraining.training.checkpoints import TrainingState
    from pretraining.training.setup import Setup


def write_timeline(setup: Setup, state: TrainingState) -> None:
    """Write it on the main process, complete or not at all.

    ``steps``, ``samples``, ``tokens`` of the whole run; ``parameters`` of the model; ``seed``; ``plan``: fingerprint of
    the batch plan; ``batches``: the recipe's section; ``stages`` and ``legs`` as in ``batching.timeline``;
    ``decisions`` of adaptive mixing and ``data_changes`` so far: before the last change, the samples were others.
    """
    if not setup.accelerator.is_main_process:
        return
    timeline = setup.timeline
    facts = {
        "steps": timeline.steps,
        "samples": timeline.samples,
        "tokens": timeline.tokens,
        "parameters": setup.parameters,
        "seed": setup.job.seed,
        "plan": setup.identity["data.plan"],
        "batches": setup.job.batches.model_dump(mode="json", exclude_none=True),
        "stages": timeline.stage_names,
        "legs": [asdict(leg) for leg in timeline.legs],
        "decisions": state.decisions,
        "data_changes": state.data_changes,
    }
    path = setup.job.run / "timeline.json"
    temporary = path.with_name(".timeline.json.tmp")
    temporary.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    os.replace(temporary, path)
