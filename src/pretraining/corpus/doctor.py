"""``pretrain doctor``: run every kind of source, step and executor on three lines of text, and say what is missing."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from pretraining.corpus.assets import ASSETS, MissingAsset, find_asset
from pretraining.corpus.config import CorpusSection, Executor
from pretraining.corpus.config import Step as StepSections
from pretraining.corpus.doctor_samples import DOCUMENTS, SOURCES, STEPS, WORDS, write_source, write_step_files
from pretraining.corpus.draft import Draft, utf8_length
from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.sections.sources import Source, TextSource
from pretraining.corpus.step import GlobalStep, Preparation, Step, apply
from pretraining.errors import DataError

if TYPE_CHECKING:
    from rich.table import Table

DISTRIBUTIONS = {"fasttext": "fasttext-numpy2-wheel", "opencc": "opencc-python-reimplemented"}
"""Where the name of a module is not that of the package to install."""


@dataclass(frozen=True)
class Check:
    """What became of one block.

    Attributes:
        block: ``step language (fasttext)``.
        state: ``ok``: it ran. ``missing``: something that it needs is not on this machine, and nothing else does.
            ``broken``: what it needs is here, and it failed.
        detail: what was done, or what is missing or went wrong.
        fix: what to do about it; empty where there is nothing to do.
        seconds: how long it took.
    """

    block: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    fix: str = ""
    seconds: float = 0.0


Block = tuple[str, Callable[[Path], str]]
"""A name, and what runs it in an empty folder and returns what it did."""


def doctor(base: Path | None = None) -> list[Check]:
    """Run every block, one after the other; an error in one is a row, and the others go on.

    Args:
        base: where the temporary files go; the system's temporary folder when left out.

    Returns:
        A check for each source, step, executor and asset, in this order.
    """
    checks = []
    with tempfile.TemporaryDirectory(dir=base) as scratch:
        for number, (name, run) in enumerate(_blocks()):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            checks.append(_check(name, run, folder))
    return checks


def exit_status(checks: Sequence[Check]) -> int:
    """1 if something that is installed is broken, else 0: what is only missing may never be needed."""
    return int(any(check.state == "broken" for check in checks))


def render(checks: Sequence[Check]) -> Table:
    """A table for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("block", "state", "s", "what")
    colours = {"ok": "green", "missing": "yellow", "broken": "red"}
    for check in checks:
        colour = colours[check.state]
        text = escape(check.detail + (f"\n{check.fix}" if check.fix else ""))
        table.add_row(escape(check.block), f"[{colour}]{check.state}[/]", f"{check.seconds:.1f}", text)
    return table


def _check(name: str, run: Callable[[Path], str], folder: Path) -> Check:
    start = time.perf_counter()
    state: Literal["ok", "missing", "broken"] = "ok"
    fix = ""
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            detail = run(folder)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        state = "broken" if module in ("", "pretraining") else "missing"
        detail = str(error)
        fix = f"pip install {DISTRIBUTIONS.get(module, module)}" if state == "missing" else _REPORT
    except _Damaged as error:
        state, (detail, fix) = "broken", _two(str(error))
    except MissingAsset as error:
        state, (detail, fix) = "missing", _two(str(error))
        if not name.startswith("asset"):
            detail, fix = f"it needs the asset {error.asset.file}", "see that asset, below"
    except DataError as error:
        state, (detail, fix) = "missing", _two(str(error))
    except Exception as error:  # whatever it is, it is one row
        state, detail, fix = "broken", f"{type(error).__name__}: {error}", _REPORT
    return Check(name, state, detail, fix, time.perf_counter() - start)


_REPORT = "this should not happen: reinstall the package, or report it with this line"


class _Damaged(Exception):
    """A file that is here and is not what it should be."""


def _two(message: str) -> tuple[str, str]:
    first, *rest = message.splitlines()
    return first, "\n".join(line.strip() for line in rest)


def _blocks() -> Iterator[Block]:
    for source in get_args(get_args(Source)[0]):
        kind = get_args(source.model_fields["type"].annotation)[0]
        for note in SOURCES.get(kind, [""]):
            yield _titled(f"source {kind}", note), _source(source, kind, note)
    for step in get_args(get_args(StepSections)[0]):
        kind = get_args(step.model_fields["type"].annotation)[0]
        for note, keys in STEPS.get(kind, {"": {}}).items():
            yield _titled(f"step {kind}", note), _step(step, kind, keys)
    for kind in get_args(Executor.model_fields["type"].annotation):
        yield f"executor {kind}", EXECUTORS[kind]
    for name in ASSETS:
        yield f"asset {name}", _asset(name)


def _titled(name: str, note: str) -> str:
    return f"{name} ({note})" if note else name


def _source(section: type[Any], kind: str, note: str) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        from pretraining.corpus.readers import read_file
        from pretraining.corpus.sources import source_files

        source = section.model_validate({"type": kind, **write_source(kind, note, folder)})
        records = [r for file in source_files(source, folder) for r in read_file(file, source, lambda _: None)]
        documents = [record for record in records if isinstance(record, Draft)]
        if not documents or not any(WORDS in draft.text for draft in documents):
            raise RuntimeError(f"a file of this kind was written and read back, and the text was not in it: {records}")
        return f"read {len(documents)} document{'s' if len(documents) > 1 else ''}"

    return run


def _step(section: type[StepSection], kind: str, keys: dict[str, Any] | None) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        from pretraining.corpus.steps import implementation

        if keys is None:
            made = implementation(section.model_construct())
            return f"{made.__name__} is here; it needs a model of yours to run"
        preparation = _preparation(folder)
        drafts = _drafts()
        sample = section.model_validate({"type": kind, **keys})

        def opened() -> Step:  # each in a process of its own, in a build
            step = implementation(sample)(sample, measure_all=True)
            step.open(preparation)
            return step

        implementation(sample)(sample, measure_all=True).prepare(preparation)
        step = opened()
        if isinstance(step, GlobalStep):
            signer, decider = step, opened()
            step = opened()
            assert isinstance(decider, GlobalStep) and isinstance(step, GlobalStep)
            signed = folder / "signed"
            signed.mkdir()
            for draft in drafts:
                signer.sign(draft)
            signer.save(signed, 0)
            decider.decide(signed, np.array([len(drafts)]), preparation)
            step.load(signed, 0)
        removed = sum(apply(step, draft) is not None for draft in drafts)
        return f"looked at {len(drafts)} documents, removed {removed}"

    return run


def _preparation(folder: Path) -> Preparation:
    write_step_files(folder)
    own = folder / "step"
    own.mkdir()
    source = TextSource(type="text", path=str(folder / "sample.txt"), documents="line")
    return Preparation(folder, own, {"sample": source}, 0.0)


def _drafts() -> list[Draft]:
    drafts = []
    for i, (language, text) in enumerate(DOCUMENTS):
        fields = {"url": f"https://example.org/{i}", "perplexity": 100.0 + i, "language": language}
        draft = Draft(text, f"sample/{i}", source="sample", file="sample.txt", fields=fields, language=language)
        draft.sizes = [utf8_length(text)]
        drafts.append(draft)
    return drafts


def _local(folder: Path) -> str:
    from pretraining.corpus.build import build_corpus

    output = folder / "corpus"
    output.mkdir()
    write_step_files(folder)
    section = CorpusSection.model_validate(
        {"sources": [{"type": "text", "path": "sample.txt", "documents": "line"}], "held_out": 0.0}
    )
    build_corpus(section, output, base=folder, progress=False)
    return "built a corpus of three documents"


def _slurm(folder: Path) -> str:
    if shutil.which("sbatch") is None:
        raise DataError("`sbatch` is not on the PATH\nrun the command where Slurm jobs can be submitted")
    return "`sbatch` is here; no job was submitted"


def _ray(folder: Path) -> str:
    if importlib.util.find_spec("ray") is None:
        raise DataError("Ray is not installed\npip install ray")
    return "Ray is installed; no cluster was started"


EXECUTORS = {"local": _local, "slurm": _slurm, "ray": _ray}


def _asset(name: str) -> Callable[[Path], str]:
    def run(folder: Path) -> str:
        try:
            return str(find_asset(name, folder))
        except MissingAsset:
            raise
        except DataError as error:
            raise _Damaged(str(error)) from error

    return run
