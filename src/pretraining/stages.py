"""The stages of a run: what each reads and writes, whether it is up to date, and running what is not, in order.

A stage is a function of (sections of the recipe, outputs of earlier stages) to a folder. Its ``manifest.json``,
written last, holds a fingerprint of those inputs and of the room's code, and a digest of the output. A stage is up
to date while its fingerprint matches; a later stage depends on the digest, so a stage that ran again and gave the
same bytes makes nothing else run.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from pretraining.run import Run


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
        outsides = {"corpus": run.corpus_inputs, "tokenizer": run.tokenizer_inputs, "train": run.start_weights}
        return digest(
            {
                "stage": self.name,
                "section": run.section(*self.keys),
                "inputs": {name: output_digest(run, BY_NAME[name]) for name in self.inputs},
                "sources": outside() if (outside := outsides.get(self.name)) else None,
                "code": code_digest(self.rooms),
            }
        )

    def up_to_date(self, run: Run) -> bool:
        """Whether the output is there, whole, and made from what the recipe says now."""
        return self.fault(run) is None

    def fault(self, run: Run) -> str | None:
        """What is wrong with the output, as it follows "is"; None where it is up to date."""
        folder = run.folder / self.folder
        manifest = read_json(folder / MANIFEST)
        if manifest is None or manifest.get("fingerprint") != self.fingerprint(run):
            return "out of date" if (folder / MANIFEST).exists() else "missing"
        return damage(folder, manifest)


def damage(folder: Path, manifest: dict[str, Any]) -> str | None:
    """The first file that has another size than when it was written, in words; None where there is none."""
    for name, size in manifest.get("files", {}).items():
        found = file_size(folder / name)
        if found != size:
            return f"damaged ({name} {'is missing' if found is None else f'has {found:,} of {size:,} bytes'})"
    return None


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
    fault = stage.fault(run)
    if fault is None:
        say(f"{stage.name:<10} up to date")
        return
    if fault not in ("missing", "out of date"):  # nobody changed the recipe, so it would be a surprise
        run.warn(f"{run.folder / stage.folder} is {fault} and is made again")
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
    if stage.name == "tokens":
        shutil.rmtree(run.tokens_work, ignore_errors=True)


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
        fault = earlier.fault(run)
        if fault is not None:
            raise RunFolderError(
                f"{run.folder / earlier.folder} is {fault}; run `pretrain {earlier.command} {run.arguments}` first, "
                f"or `pretrain run {run.arguments}` for everything"
            )


def refuse_other_training(run: Run) -> None:
    """Stop before anything is written if the checkpoints in the run folder are of a training with other values.

    What the data says is compared when the training starts; this needs the recipe alone.

    Raises:
        RunFolderError: with all the values that differ.
    """
    from pretraining.training.checkpoints import newest

    identity = run.job().identity(plan=None, tokenizer=None)
    newest(run.folder / "checkpoints", identity, allow_different_data=run.allow_different_data)


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
    from pretraining.tokenization.training import write_tokenizer

    special_tokens, roles = run.objective_tokens()
    return write_tokenizer(
        run.loaded.recipe.tokenizer,
        run.folder / "corpus",
        output,
        special_tokens=special_tokens,
        roles=roles,
        base=run.loaded.base,
        progress=run.progress,
        warn=run.warn,
    )


def _tokens(run: Run, output: Path) -> str:
    from transformers import AutoTokenizer

    from pretraining.tokenization.writing import write_token_store

    figures = write_token_store(
        AutoTokenizer.from_pretrained(run.folder / "tokenizer", local_files_only=True),
        run.folder / "corpus",
        output,
        work=run.tokens_work,
        inputs=BY_NAME["tokens"].fingerprint(run),
        progress=run.progress,
    )
    write_json(output / "report.json", figures)
    whole, trip = figures["all"], figures["round_trip"]
    return (
        f"{whole['tokens']:,} tokens, {whole['bytes_per_token'] or 0:.2f} bytes per token, "
        f"round trip {trip['lossless']:,} of {trip['documents']:,} documents"
    )


def _batches(run: Run, output: Path) -> str:
    from pretraining.batching.plan import make_plan, save_plan
    from pretraining.objectives.config import with_options
    from pretraining.tokenization.store import TokenStore

    recipe = run.loaded.recipe
    plan = make_plan(
        recipe.batches,
        TokenStore(run.folder / "tokens"),
        raw_length=lambda length, options: with_options(recipe.objective, options).raw_length(length),
    )
    save_plan(plan, output)
    lengths = " and ".join(str(length) for length in dict.fromkeys(stream.row_length for stream in plan.streams))
    full = sum(s.tokens for s in plan.streams) / sum(s.tokens + s.padding for s in plan.streams)
    left_out = f"{sum(plan.left_out.values()):,} tokens of {', '.join(plan.left_out)} left out"
    return (
        f"{sum(stream.samples for stream in plan.streams):,} rows of {lengths}, {full:.2%} full, "
        f"{left_out if plan.left_out else 'no token dropped'}"
    )


def _train(run: Run, output: Path) -> str:
    """Train in processes of their own; they write ``output`` and its manifest themselves, complete or not at all."""
    from pretraining.launch import launch_training

    launch_training(run)
    manifest = read_json(output / MANIFEST)
    if manifest is None or not BY_NAME["train"].up_to_date(run):
        raise TrainingError(f"training ended without an error but left no model in {output}")
    return str(manifest["summary"])


def _evaluate(run: Run, output: Path) -> str:
    from pretraining.evaluation.evaluate import evaluate_model, summary
    from pretraining.evaluation.trained import Trained
    from pretraining.objectives.config import with_options

    recipe = run.loaded.recipe
    last = recipe.batches.stages[-1] if recipe.batches.stages else None
    trained = Trained(
        objective=with_options(recipe.objective, last.objective if last else {}),
        sequence_length=(last and last.sequence_length) or recipe.batches.sequence_length,
        packing=recipe.batches.packing,
        seed=recipe.seed,
        tokens=run.folder / "tokens",
        metrics=run.folder / "metrics.jsonl",
    )
    results = evaluate_model(
        recipe.evaluation,
        trained,
        model_folder=run.folder / "model",
        corpus_folder=run.folder / "corpus",
        output=output,
        progress=run.progress,
    )
    return summary(results)


STAGES = (
    Stage("corpus", "corpus", "corpus", (), ("corpus",), ("corpus",), _corpus),
    Stage(
        "tokenizer", "tokenizer", "tokenizer", ("corpus",), ("tokenizer", "objective"), ("tokenization",), _tokenizer
    ),
    Stage("tokens", "tokens", "tokens", ("corpus", "tokenizer"), (), ("tokenization",), _tokens),
    Stage("batches", "batches", "tokens", ("tokens",), ("batches", "objective"), ("batching", "objectives"), _batches),
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
        ("corpus", "tokens", "train"),
        ("seed", "batches", "objective", "evaluation", "training.evaluate_every", "training.evaluation_rows"),
        ("batching", "objectives", "modeling", "evaluation"),
        _evaluate,
    ),
)
BY_NAME = {stage.name: stage for stage in STAGES}
