"""The stage ``tokenizer``: what it says, what it writes, and what makes it run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pretraining.errors import RunFolderError
from pretraining.recipe.loading import load_recipe
from pretraining.run import Run
from pretraining.stages import BY_NAME, run_stage
from pretraining.tokenization.training import save_tokenizer

RECIPE = """\
name: tiny
corpus: {sources: [{type: text, path: lincoln.txt, documents: line}], steps: [], held_out: 0.2}
tokenizer: {vocab_size: 300}
batches: {sequence_length: 32}
model: {architecture: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2}
training: {duration: {steps: 1}, batch_tokens: 64, micro_batch_size: 1}
"""


@pytest.fixture
def here(tmp_path: Path, prose: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe, and its corpus."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE)
    Path("lincoln.txt").write_text("\n".join(prose))
    make("corpus")
    return tmp_path


def make(stage: str, *overrides: str) -> str:
    """Run a stage if it is not up to date; what it says about itself."""
    said: list[str] = []
    run = Run(load_recipe("tiny.yaml", overrides), Path("runs/tiny"), progress=False)
    run_stage(run, BY_NAME[stage], said.append)
    return said[0]


def test_fewer_tokens_than_asked_for_are_said_and_the_run_goes_on(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = make("tokenizer", "tokenizer.vocab_size=3000", "tokenizer.sample.bytes=400")
    warning = capsys.readouterr().err
    size = int(warning.partition("only supports ")[2].partition(" ")[0])
    assert warning.startswith("warning: tokenizer.vocab_size = 3,000:") and 260 < size < 3000
    assert f"bpe, {size} tokens, trained on 0.00 MB" in said
    sample = json.loads(Path("runs/tiny/tokenizer/sample.json").read_text())
    assert (sample["budget_bytes"], sample["read_bytes"]) == (400, 400)


def test_a_pretrained_tokenizer_is_loaded_again_when_its_folder_changes(here: Path, tokenizer: Any) -> None:
    from transformers import AutoTokenizer

    save_tokenizer(tokenizer, here / "mine")
    keys = "tokenizer={algorithm: pretrained, name_or_path: mine, vocab_size: null}"
    assert "pretrained, 320 tokens" in make("tokenizer", keys)
    assert not Path("runs/tiny/tokenizer/sample.json").exists()
    assert "up to date" in make("tokenizer", keys)
    again = AutoTokenizer.from_pretrained(here / "mine")
    again.add_special_tokens({"mask_token": "<mask>"})
    save_tokenizer(again, here / "mine")
    assert "pretrained, 321 tokens" in make("tokenizer", keys)


def test_a_damaged_output_is_said_and_made_again(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make("tokenizer")
    path = Path("runs/tiny/tokenizer/tokenizer.json")
    whole = path.read_bytes()
    path.write_bytes(whole[:99])
    fault = f"runs/tiny/tokenizer is damaged (tokenizer.json has 99 of {len(whole):,} bytes)"
    with pytest.raises(RunFolderError) as raised:
        make("tokens")
    assert str(raised.value).startswith(f"{fault}; run `pretrain tokenizer tiny.yaml` first")
    assert "bpe, 300 tokens" in make("tokenizer")
    assert capsys.readouterr().err == f"warning: {fault} and is made again\n"
    assert path.read_bytes() == whole
    path.unlink()
    with pytest.raises(RunFolderError, match=r"tokenizer is damaged \(tokenizer.json is missing\); run"):
        make("tokens")
