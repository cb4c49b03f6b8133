"""``pretrain tokenizer``: the report is made of what the encoding counted, and no stage depends on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pretraining.cli import app
from pretraining.tokenization.training import save_tokenizer

RECIPE = """\
name: tiny
corpus:
  sources:
    - {type: text, path: lincoln.txt, documents: line, language: eng_Latn}
    - {type: text, path: union.txt, documents: line, language: eng_Latn}
  steps: []
  held_out: 0.2
  held_out_near_duplicates: keep
tokenizer: {vocab_size: 300}
batches: {sequence_length: 32}
model:
  {architecture: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2,
   tie_word_embeddings: false}
training: {duration: {steps: 1}, batch_tokens: 64, micro_batch_size: 1}
"""


@pytest.fixture
def here(tmp_path: Path, prose: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe and two sources."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE)
    for name in ("lincoln", "union"):
        Path(f"{name}.txt").write_text("\n".join(f"{name} {number}: {text}" for number in range(6) for text in prose))
    return tmp_path


def run(*arguments: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_the_report_is_made_once_and_only_it_when_others_are_compared(
    here: Path, tokenizer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pretraining.tokenization import writing

    save_tokenizer(tokenizer, here / "other")  # type: ignore[arg-type]
    run("corpus", "tiny.yaml")
    out = run("tokenizer", "tiny.yaml")
    folder = Path("runs/tiny")
    report = json.loads((folder / "tokenizer" / "report.json").read_text())
    assert report["corpus"] == json.loads((folder / "tokens" / "report.json").read_text())
    assert report["sample"]["read_bytes"] == report["corpus"]["all"]["bytes"]
    # 300 tokens, a matrix at each end; 4 of attention, 3 of the feed-forward network, 3 norms
    embedding, inner = 2 * 300 * 32, 4 * 32 * 32 + 3 * 32 * 64 + 3 * 32
    assert report["embedding"] == {
        "parameters": embedding + inner,
        "embedding": embedding,
        "share": embedding / (embedding + inner),
        "tied": False,
    }
    assert f"embedding {100 * embedding / (embedding + inner):.1f}" in out and "60 of 60 documents" in out
    assert "lincoln: " in out and "report.html" in out and not (folder / "tokens.work").exists()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("to*/*") if path.name != "manifest.json"}

    monkeypatch.setattr(writing, "small_batches", None)  # nothing is encoded any more
    assert run("tokenizer", "tiny.yaml").count("up to date") == 2
    assert before == {path: path.stat().st_mtime_ns for path in before}
    out = run("tokenizer", "tiny.yaml", "tokenizer.compare=[./other, owner/unreachable]")
    assert out.count("up to date") == 2
    assert "beside: this tokenizer: " in out and "beside: ./other: " in out
    report = json.loads((folder / "tokenizer" / "report.json").read_text())
    assert [each["vocab_size"] for each in report["comparison"]["tokenizers"]] == [300, 320]
    assert "owner/unreachable" in report["comparison"]["missing"]
    changed = {path.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {"report.json", "report.html"}
    run("tokens", "tiny.yaml")
