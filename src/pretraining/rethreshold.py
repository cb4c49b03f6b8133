"""``pretrain rethreshold``: the corpus stage once more, from what was measured before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from pretraining.corpus.build import not_measured_for
from pretraining.corpus.rethreshold import compare
from pretraining.errors import RunFolderError
from pretraining.run import Run
from pretraining.stages import BY_NAME, run_stage


def rethreshold_corpus(run: Run, say: Callable[[str], None]) -> None:
    """Build the corpus again from what was measured, and say what that changed.

    Raises:
        RunFolderError: there is no corpus yet, or more than thresholds changed.
    """
    stage = BY_NAME["corpus"]
    ledger = run.folder / stage.folder / "ledger"
    section = run.loaded.recipe.corpus
    why = ["none is built"] if not ledger.is_dir() else not_measured_for(section, run.corpus_work, run.corpus_inputs())
    if why:
        raise RunFolderError(
            f"the corpus in {run.folder} was not measured for this recipe: {'; '.join(why)}\n"
            f"    run `pretrain corpus {run.arguments}` once; after that, thresholds can be changed without it"
        )
    with tempfile.TemporaryDirectory(dir=run.folder, prefix=".before") as before:
        shutil.copytree(ledger, before, dirs_exist_ok=True)
        run_stage(run, stage, say)
        changes = compare(Path(before), ledger)
    for what, counts in (("rescued from", changes.rescued), ("now removed by", changes.removed)):
        for rule, number in counts.most_common():
            say(f"           {number:,} {what} {rule}")
    if changes.other_reason:
        say(f"           {changes.other_reason:,} removed by another rule than before")
    if not (changes.rescued or changes.removed or changes.other_reason):
        say(f"           no document of {changes.documents:,} changed its fate")
