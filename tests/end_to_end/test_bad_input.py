"""A user's mistakes: one clear message, status 2, no traceback, nothing lost."""

from __future__ import annotations

import errno
import gzip
import importlib.util
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pretraining import cli

_spec = importlib.util.spec_from_file_location("end_to_end_recipe", Path(__file__).with_name("conftest.py"))
assert _spec is not None and _spec.loader is not None
helpers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(helpers)


@pytest.fixture()
def here(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(workplace)
    return workplace


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden_size: 16", "hiden_size: 16", "did you mean hidden_size?"),
        ("batch_tokens: 128", "batch_tokns: 128", "did you mean batch_tokens?"),
        ("name: tiny", "name: tiny\n\tseed: 1", "tab"),
        ("name: tiny", "name: tiny\nextends: tiny.yaml", "tiny.yaml"),
        ("vocab_size: 300", "vocab_size: .nan", "vocab_size"),
        ("learning_rate: 1e-2", "learning_rate: .inf", "learning_rate"),
        ("path: texts", "path: nowhere", "nowhere"),
        ("batch_tokens: 128", "batch_tokens: 100", "batch_tokens"),
        ("max_epochs: 20", "max_epochs: 0.001", "epochs"),
        ("warmup: {steps: 4}", "warmup: {steps: 400}", "warmup"),
        ("num_attention_heads: 2", "num_attention_heads: 3", "num_attention_heads"),
    ],
)
def test_a_wrong_recipe_names_file_line_value_and_cure(here: Path, old: str, new: str, message: str) -> None:
    path = here / "tiny.yaml"
    path.write_text(path.read_text().replace(old, new))
    status, _, err = run("check", "tiny.yaml")
    assert status == 2 and message in err
    assert "tiny.yaml:" in err
    assert not (here / "runs").exists()


def test_all_problems_come_at_once(here: Path) -> None:
    path = here / "tiny.yaml"
    text = path.read_text().replace("hidden_size: 16", "hiden_size: 16").replace("path: texts", "path: nowhere")
    text = text.replace("min_characters: 20", "min_charcters: 20").replace("held_out: 0.1", "held_out: ten")
    path.write_text(text.replace("batch_tokens: 128", "batch_tokens: 100"))
    status, _, err = run("run", "tiny.yaml")
    assert status == 2 and "5 problems in the recipe" in err
    assert all(word in err for word in ("hiden_size", "nowhere", "batch_tokens", "min_characters", "held_out"))


def test_missing_recipe_and_bad_arguments(here: Path) -> None:
    assert run("check", "tny.yaml")[0] == 2
    assert run("check")[0] == 2
    status, _, err = run("run", "tiny.yaml", "training.duration")
    assert status == 2 and "training.duration" in err
    status, _, err = run("check", "tiny.yaml", "--accelerate-config", "fsdp3")
    assert status == 2 and "did you mean fsdp2?" in err


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\x00\x01\x02" * 999, "binary"), (bytes(range(128, 256)) * 9, "encoding")]
)
def test_a_source_without_text_stops_with_the_reason(here: Path, content: bytes, reason: str) -> None:
    for path in (here / "texts").iterdir():
        path.write_bytes(content)
    status, _, err = run("corpus", "tiny.yaml")
    assert status == 2 and reason in err.lower()
    assert not (here / "runs" / "tiny" / "corpus").exists()


def test_damaged_files_are_counted_and_the_rest_is_kept(here: Path) -> None:
    whole = gzip.compress((here / "texts" / "a.txt").read_bytes())
    (here / "texts" / "c.txt.gz").write_bytes(whole[: len(whole) // 2])
    (here / "texts" / "d.txt").write_bytes("Grüße aus Köln, eine Zeile in Latin-1.\n".encode("latin-1") * 2)
    status, out, _ = run("corpus", "tiny.yaml")
    assert status == 0 and "3 UNREADABLE" in out


def test_a_run_folder_of_another_recipe_is_refused(here: Path) -> None:
    assert run("corpus", "tiny.yaml")[0] == 0
    (here / "other.yaml").write_text((here / "tiny.yaml").read_text())
    status, _, err = run("corpus", "other.yaml")
    assert status == 2 and "another" in err and "tiny.yaml" in err


def test_a_full_disk_says_so_and_loses_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("corpus", "tiny.yaml")[0] == 0

    def full(*arguments: object, **keys: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/tiny/tokenizer")

    monkeypatch.setattr("pretraining.tokenization.training.save_tokenizer", full)
    status, _, err = run("tokenizer", "tiny.yaml")
    assert status == 1 and "no space left on the disk" in err
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert not (here / "runs" / "tiny" / "tokenizer").exists()
    assert run("tokenizer", "tiny.yaml")[0] == 0


@pytest.mark.parametrize("stage", ["corpus", "tokenizer", "tokens"])
def test_ctrl_c_in_a_stage(here: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    from pretraining import stages

    verb = {"tokens": "tokenizer"}.get(stage, stage)  # which encodes too, to report on all of the text
    if verb != "corpus":
        assert run("corpus", "tiny.yaml")[0] == 0
    write_manifest = stages.write_manifest

    def interrupted(run: object, made: stages.Stage, *arguments: object, **keys: object) -> None:
        if made.name == stage:  # the last moment before it is complete
            raise KeyboardInterrupt
        write_manifest(run, made, *arguments, **keys)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(stages, "write_manifest", interrupted)
        status, _, err = run(verb, "tiny.yaml")
    assert status == 130 and "goes on from there" in err
    assert not (here / "runs" / "tiny" / stage).exists()
    assert run(stage, "tiny.yaml")[0] == 0


def test_unforeseen_errors_hide_the_traceback_unless_debug(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object, **keys: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("pretraining.corpus.build.build_corpus", broken)
    status, _, err = run("corpus", "tiny.yaml")
    assert status == 1 and "ZeroDivisionError: oops" in err and "--debug" in err
    result = CliRunner().invoke(cli.app, ["corpus", "tiny.yaml", "--debug"])
    assert "Traceback" in result.stderr
