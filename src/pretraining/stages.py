"""The stages of a run: what each reads and writes, whether it is up to date, and running what is not, in order.

A stage is a function of (sections of the recipe, outputs of earlier stages) to a folder. Its ``manifest.json``,
written last, holds a fingerprint of those inputs and of the room's code, and a digest of the output. A stage is up
to date while its fingerprint matches; a later stage depends on the digest, so a stage that ran again and gave the
same bytes makes nothing else run.
"""

from __future__ import annotations

import functools
import json
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.errors import RunFolderError, TrainingError
from pretraining.manifests import (
    MANIFEST,
    code_digest,
    digest,
    folder_digest,
    hardware,
    new_folder,
    read_json,
    versions,
    write_json,
    write_text,
)

if TYPE_CHECKING:
    from pretraining.recipe.loading import LoadedRecipe


WITHOUT_EFFECT = (
    "corpus.executor.workers",
    "batches.max_epochs",
    "training.loader_workers",
    "training.log_every",
    "training.checkpoints",
    "training.trackers",
)
"""Keys that may change without anything having to run again."""


@dataclass(frozen=True)
class Run:
    """A recipe and the folder that it fills."""

    loaded: LoadedRecipe
    folder: Path
    progress: bool = True
    accelerate_config: str | None = None
    lock: int | None = None
    debug: bool = False

    def warn(self, text: str) -> None:
        """A line on stderr that is not an error."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

    @property
    def arguments(self) -> str:
        """Recipe and overrides as they were typed, for messages that name a command."""
        return shlex.join([str(self.loaded.path), *self.loaded.overrides])

    def section(self, *keys: str) -> dict[str, Any]:
        """Resolved values under dotted keys, as plain data, without the keys that change nothing in the output."""
        resolved = json.loads(json.dumps(self.loaded.resolved()))
        for key in WITHOUT_EFFECT:
            *parents, last = key.split(".")
            value = resolved
            for part in parents:
                value = value.get(part, {})
            value.pop(last, None)
        return {key: functools.reduce(lambda value, part: value[part], key.split("."), resolved) for key in keys}

    def corpus_inputs(self) -> str:
        """Digest of the source files, the files that steps name, and the room's code."""
        from pretraining.corpus.inputs import input_state

        return digest([input_state(self.loaded.recipe.corpus, self.loaded.base), code_digest(("corpus",))])

    @property
    def corpus_work(self) -> Path:
        """Where a build of the corpus that was stopped goes on, and measurements are kept."""
        return self.folder / "corpus.work"


@dataclass(frozen=True)
class Stage:
    """One stage. ``make(run, output)`` fills the empty folder ``output`` and returns one line about what it did."""

    name: str
    folder: str
    command: str
    inputs: tuple[str, ...]
    keys: tuple[str, ...]
    rooms: tuple[str, ...]
    make: Callable[[Run, Path], str]

    def fingerprint(self, run: Run) -> str:
        """Of everything that the output depends on."""
        return digest(
            {
                "stage": self.name,
                "section": run.section(*self.keys),
                "inputs": {name: output_digest(run, BY_NAME[name]) for name in self.inputs},
                "sources": run.corpus_inputs() if self.name == "corpus" else None,
                "code": code_digest(self.rooms),
            }
        )

    def up_to_date(self, run: Run) -> bool:
        """Whether the output is there, whole, and made from what the recipe says now."""
        folder = run.folder / self.folder
        manifest = read_json(folder / MANIFEST)
        if manifest is None or manifest.get("fingerprint") != self.fingerprint(run):
            return False
        return all(file_size(folder / name) == size for name, size in manifest.get("files", {}).items())


def output_digest(run: Run, stage: Stage) -> str | None:
    """What a finished stage put out."""
    manifest = read_json(run.folder / stage.folder / MANIFEST) or {}
    return manifest.get("output")


def file_size(path: Path) -> int | None:
    """Bytes of a file; None where there is none."""
    return path.stat().st_size if path.is_file() else None


def write_manifest(run: Run, stage: Stage, output: Path, *, seconds: float, summary: str, **more: Any) -> None:
    """The last file of a stage; ``more`` are further figures of it."""
    write_json(
        output / MANIFEST,
        {
            "stage": stage.name,
            "fingerprint": stage.fingerprint(run),
            "output": folder_digest(output),
            "files": {
                path.relative_to(output).as_posix(): file_size(path)
                for path in sorted(output.rglob("*"))
                if path.is_file()
            },
            "section": run.section(*stage.keys),
            "inputs": {name: output_digest(run, BY_NAME[name]) for name in stage.inputs},
            "versions": versions(),
            "hardware": machine(),
            "seconds": round(seconds, 2),
            "summary": summary,
            **more,
        },
    )


def machine() -> dict[str, Any]:
    """The hardware, with the accelerators where torch is loaded already."""
    torch = sys.modules.get("torch")
    found = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch else []
    return hardware() | {"accelerators": found}


def run_stage(run: Run, stage: Stage, say: Callable[[str], None]) -> None:
    """Run one stage if it is not up to date; its inputs must be."""
    require_inputs(run, stage)
    if stage.up_to_date(run):
        say(f"{stage.name:<10} up to date")
        return
    start = time.perf_counter()
    if stage.name == "train":
        summary = stage.make(run, run.folder / stage.folder)  # writes its own folder and manifest, in other processes
    else:
        with new_folder(run.folder / stage.folder) as output:
            summary = stage.make(run, output)
            write_manifest(run, stage, output, seconds=time.perf_counter() - start, summary=summary)
    record(run)
    say(f"{stage.name:<10} {summary}  ({time.perf_counter() - start:.1f} s)")
    if stage.name == "corpus":
        _finish_corpus(run, say)


def _finish_corpus(run: Run, say: Callable[[str], None]) -> None:
    """Say what each step did, and remove what no later build can use, now that the output is in its place."""
    from pretraining.corpus.build import tidy
    from pretraining.corpus.summary import summary_lines

    for line in summary_lines(read_json(run.folder / "corpus" / "ledger.json") or {"steps": []}):
        say(f"{'':<10} {line}")
    tidy(run.loaded.recipe.corpus, run.corpus_work)


def require_inputs(run: Run, stage: Stage) -> None:
    """Refuse to work on inputs that are missing, or that an older version of the recipe made.

    Raises:
        RunFolderError: naming the command that brings them up to date.
    """
    for name in stage.inputs:
        earlier = BY_NAME[name]
        require_inputs(run, earlier)
        if not earlier.up_to_date(run):
            state = "out of date" if (run.folder / earlier.folder / MANIFEST).exists() else "missing"
            raise RunFolderError(
                f"{run.folder / earlier.folder} is {state}; run `pretrain {earlier.command} {run.arguments}` first, "
                f"or `pretrain run {run.arguments}` for everything"
            )


def refuse_other_training(run: Run) -> None:
    """Stop before anything is written if the checkpoints in the run folder are of a training with other values.

    What the data says is compared when the training starts; this needs the recipe alone.

    Raises:
        RunFolderError: with all the values that differ.
    """
    from pretraining.training.checkpoints import newest
    from pretraining.training.job import Job

    recipe = run.loaded.recipe
    job = Job(run.folder, recipe.seed, recipe.batches, recipe.objective, recipe.model, recipe.training)
    newest(run.folder / "checkpoints", job.identity(plan=None, tokenizer=None))


def begin(run: Run) -> None:
    """Write ``recipe.yaml`` and ``manifest.json`` of the run folder."""
    run.folder.mkdir(parents=True, exist_ok=True)
    write_text(run.folder / "recipe.yaml", run.loaded.to_yaml())
    record(run)


def record(run: Run) -> None:
    """Bring the run's ``manifest.json`` up to date: versions, hardware, and the time of each stage."""
    stages = {}
    for stage in STAGES:
        manifest = read_json(run.folder / stage.folder / MANIFEST)
        if manifest:
            stages[stage.name] = {key: manifest.get(key) for key in ("fingerprint", "seconds", "summary")}
    write_json(
        run.folder / MANIFEST,
        {
            "name": run.loaded.recipe.name,
            "recipe": str(run.loaded.path),
            "versions": versions(),
            "hardware": machine(),
            "stages": stages,
        },
    )


def _corpus(run: Run, output: Path) -> str:
    from pretraining.corpus.build import build_corpus

    ledger = build_corpus(
        run.loaded.recipe.corpus,
        output,
        base=run.loaded.base,
        work=run.corpus_work,
        inputs=run.corpus_inputs(),
        progress=run.progress,
    )
    documents, size = ledger["documents"], ledger["bytes"]
    same_id = sum(
        step["removed"]["duplicate_id"]["documents"] for step in ledger["steps"] if step["step"] == "identity"
    )
    if same_id:
        run.warn(f"{same_id:,} documents have the id of an earlier one and were removed; is the source's `id:` right?")
    unreadable = f", {documents['unreadable']:,} UNREADABLE" if documents["unreadable"] else ""
    return (
        f"{documents['kept']:,} of {documents['in']:,} documents kept ({documents['removed']:,} removed{unreadable}), "
        f"{size['kept'] / 1e6:.2f} MB, {ledger['splits']['validation']['documents']:,} held out"
    )


def _tokenizer(run: Run, output: Path) -> str:
    from pretraining.objectives import special_tokens
    from pretraining.tokenization.documents import texts
    from pretraining.tokenization.training import save_tokenizer, train_tokenizer

    recipe = run.loaded.recipe
    tokenizer = train_tokenizer(
        recipe.tokenizer,
        texts(run.folder / "corpus", "train"),
        special_tokens=special_tokens(recipe.objective),
        progress=run.progress,
    )
    save_tokenizer(tokenizer, output)
    return f"{recipe.tokenizer.algorithm}, {len(tokenizer):,} tokens"


def _tokens(run: Run, output: Path) -> str:
    from transformers import AutoTokenizer

    from pretraining.tokenization.report import Report
    from pretraining.tokenization.store import write_token_store

    tokenizer = AutoTokenizer.from_pretrained(run.folder / "tokenizer", local_files_only=True)
    report = Report(len(tokenizer))
    write_token_store(tokenizer, run.folder / "corpus", output, report=report, progress=run.progress)
    result = report.result(tokenizer)
    write_json(output / "report.json", result)
    tokens = sum(source["tokens"] for source in result["sources"].values())
    size = sum(source["bytes"] for source in result["sources"].values())
    trip = result["round_trip"]
    return (
        f"{tokens:,} tokens, {size / max(1, tokens):.2f} bytes per token, "
        f"round trip {trip['lossless']:,} of {trip['documents']:,} documents"
    )


def _batches(run: Run, output: Path) -> str:
    from pretraining.batching.plan import make_plan, save_plan
    from pretraining.tokenization.store import TokenStore

    plan = make_plan(run.loaded.recipe.batches, TokenStore(run.folder / "tokens"))
    save_plan(plan, output)
    facts = plan.facts
    return f"{facts.samples:,} rows of {facts.sequence_length}, {facts.fill:.2%} full, no token dropped"


def _train(run: Run, output: Path) -> str:
    """Train in processes of their own; they write ``output`` and its manifest themselves, complete or not at all."""
    from pretraining.launch import launch_training

    launch_training(run)
    manifest = read_json(output / MANIFEST)
    if manifest is None or not BY_NAME["train"].up_to_date(run):
        raise TrainingError(f"training ended without an error but left no model in {output}")
    return str(manifest["summary"])


def _evaluate(run: Run, output: Path) -> str:
    from pretraining.evaluation.evaluate import evaluate_model

    recipe = run.loaded.recipe
    result = evaluate_model(
        recipe.evaluation,
        model_folder=run.folder / "model",
        corpus_folder=run.folder / "corpus",
        output=output,
        sequence_length=recipe.batches.sequence_length,
        progress=run.progress,
    )
    held_out = result["held_out"]
    return (
        f"{held_out['bits_per_byte']:.4f} bits per byte, token perplexity {held_out['token_perplexity']:.2f}, "
        f"on {held_out['documents']:,} held-out documents"
    )


STAGES = (
    Stage("corpus", "corpus", "corpus", (), ("corpus",), ("corpus",), _corpus),
    Stage(
        "tokenizer", "tokenizer", "tokenizer", ("corpus",), ("tokenizer", "objective"), ("tokenization",), _tokenizer
    ),
    Stage("tokens", "tokens", "tokens", ("corpus", "tokenizer"), (), ("tokenization",), _tokens),
    Stage("batches", "batches", "tokens", ("tokens",), ("batches",), ("batching",), _batches),
    Stage(
        "train",
        "model",
        "train",
        ("corpus", "tokenizer", "tokens", "batches"),
        ("seed", "batches", "objective", "model", "training"),
        ("batching", "objectives", "modeling", "training"),
        _train,
    ),
    Stage(
        "evaluate",
        "evaluation",
        "evaluate",
        ("corpus", "train"),
        ("evaluation", "batches.sequence_length"),
        ("evaluation",),
        _evaluate,
    ),
)
BY_NAME = {stage.name: stage for stage in STAGES}
