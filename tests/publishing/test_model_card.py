from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from pretraining.errors import DataError
from pretraining.publishing.model_card import write_model_card


def card(run: Path, tmp_path: Path) -> str:
    write_model_card(run, tmp_path / "README.md")
    return (tmp_path / "README.md").read_text("utf-8")


def front_matter(text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_front_matter(run: Path, tmp_path: Path) -> None:
    text = card(run, tmp_path)
    assert front_matter(text) == {
        "license": "apache-2.0",
        "language": ["en"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["pretraining-handbook"],
    }
    loaded = ModelCard.load(tmp_path / "README.md")
    assert loaded.data.license == "apache-2.0" and loaded.data.pipeline_tag == "text-generation"
    assert loaded.text.lstrip().startswith("# quickstart")


@pytest.mark.parametrize(
    ("start", "said", "base"),
    [
        (None, "pretrained from scratch on", None),
        ("0123abc", "trained further from the weights of ../runs/first/model (digest 0123abc) on", None),
        ("me/small@v1", "further from the weights of [me/small@v1](https://huggingface.co/me/small) on", "me/small"),
    ],
)
def test_the_card_says_where_the_weights_come_from(
    run: Path, tmp_path: Path, start: str | None, said: str, base: str | None
) -> None:
    recipe = yaml.safe_load((run / "recipe.yaml").read_text("utf-8"))
    recipe["model"]["name_or_path"] = "../runs/first/model"
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    (run / "model" / "manifest.json").write_text(json.dumps({"start": start}))
    text = card(run, tmp_path)
    assert said in " ".join(text.split()) and front_matter(text).get("base_model") == base


def test_front_matter_survives_any_licence_and_language(run: Path, tmp_path: Path, files: Any) -> None:
    evil = "x: y\n---\n# <b>'\""
    files.edit_json(run / "corpus" / "ledger.json", "sources", "letters", "language", value=evil)
    (run / "recipe.yaml").write_text(yaml.safe_dump({"publishing": {"license": evil}}))
    card(run, tmp_path)
    loaded = ModelCard.load(tmp_path / "README.md")
    assert loaded.data.language == ["en", evil] and loaded.data.license == evil


def test_unknown_licence_and_language_are_left_out(run: Path, tmp_path: Path, files: Any) -> None:
    files.edit_json(run / "corpus" / "ledger.json", "sources", "sotu", "language", value=None)
    (run / "recipe.yaml").write_text("publishing:\n  license: null\n")
    assert {"license", "language"} & set(front_matter(card(run, tmp_path))) == set()


@pytest.mark.parametrize(
    ("file", "keys", "value", "shown"),
    [
        ("evaluation/results.json", ("held_out", "bits_per_byte"), 1.23456, "**1.2346**"),
        ("evaluation/results.json", ("yardsticks", 2, "bits_per_byte"), 2.7182, "| xz -9e | 2.7182 |"),
        ("corpus/ledger.json", ("sources", "letters", "license"), "CC-BY-4.0", "| letters | CC-BY-4.0 |"),
        ("corpus/ledger.json", ("documents", "removed"), 4_321, "4,321"),
        ("tokens/report.json", ("vocab_size",), 8_191, "8,191 tokens"),
    ],
)
def test_numbers_come_from_the_files(
    run: Path, tmp_path: Path, files: Any, file: str, keys: tuple[Any, ...], value: Any, shown: str
) -> None:
    assert shown not in card(run, tmp_path)
    files.edit_json(run / file, *keys, value=value)
    assert shown in card(run, tmp_path)


def test_no_folder_of_this_machine(run: Path, tmp_path: Path) -> None:
    text = card(run, tmp_path)
    assert "secret-project" not in text and "/home" not in text and str(tmp_path) not in text
    assert "path: …/*.txt" in text


def test_parameters_are_counted_in_the_weights(run: Path, tmp_path: Path) -> None:
    assert f"{4096 * 192 + 192:,} parameters" in card(run, tmp_path)


def test_a_sample_cannot_leave_its_block(run: Path, tmp_path: Path, files: Any) -> None:
    files.edit_json(run / "evaluation" / "results.json", "samples", 0, "text", value=" ends\n```\n# Not a heading")
    assert "````text\nMy fellow Americans, ends\n```\n# Not a heading\n````" in card(run, tmp_path)


def test_tables_hold_whatever_a_source_is_called(run: Path, tmp_path: Path) -> None:
    path = run / "corpus" / "ledger.json"
    ledger = json.loads(path.read_text("utf-8"))
    ledger["sources"]["a|b <i>\nc"] = ledger["sources"].pop("sotu")
    path.write_text(json.dumps(ledger), "utf-8")
    assert "| a\\|b &lt;i> c | CC0-1.0 |" in card(run, tmp_path)


def test_yardsticks_and_samples_are_optional(run: Path, tmp_path: Path) -> None:
    path = run / "evaluation" / "results.json"
    path.write_text(json.dumps({"held_out": json.loads(path.read_text())["held_out"]}))
    text = card(run, tmp_path)
    assert "**1.3129**" in text and "xz" not in text and "A sample" not in text


def test_a_model_that_is_no_causal_one(run: Path, tmp_path: Path, files: Any) -> None:
    files.make_other(run)
    text = card(run, tmp_path)
    assert front_matter(text)["pipeline_tag"] == "fill-mask"
    assert "A masked language model (bert) with" in text and "objective: masked_lm" in text
    assert "model = AutoModelForMaskedLM.from_pretrained(folder)" in text
    assert "| pair accuracy | 0.8125 | share of the &lt;i>pairs&lt;/i> \\| told right |" in text
    assert "Held-out text with one token masked" in text and "peace [MASK] prosperity → 'and' 0.97" in text
    assert "bits per byte" not in text and "continues text" not in text and "fluently" not in text
    assert "final training loss (nats per target)" in text


def test_a_task_that_the_hub_does_not_know_is_left_out(run: Path, tmp_path: Path, files: Any) -> None:
    files.make_other(run, "ElectraForPreTraining", type="replaced_token_detection")
    text = card(run, tmp_path)
    assert "pipeline_tag" not in front_matter(text)
    assert "final training loss (nats, weighted sum of its terms)" in text


@pytest.mark.parametrize(("pooler", "wanted"), [("cls", "states[:, 0]"), ("mean", ".sum(1) / real.sum(1)")])
def test_the_code_of_the_card_gives_vectors(
    run: Path, tmp_path: Path, files: Any, monkeypatch: pytest.MonkeyPatch, pooler: str, wanted: str
) -> None:
    files.make_other(run, "BertModel", type="contrastive", pooler=pooler)
    text = card(run, tmp_path)
    code = text.split("```python\n")[1].split("```")[0]
    assert front_matter(text)["pipeline_tag"] == "feature-extraction" and wanted in code
    backend = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "A": 2, "text": 3, ".": 4}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]").save_pretrained(tmp_path)
    sizes = {"vocab_size": 5, "hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2}
    BertModel(BertConfig(num_hidden_layers=1, **sizes)).save_pretrained(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)  # what a reader of the card would run
    assert names["vectors"].shape == (2, 8)


def test_missing_evaluation_names_its_stage(run: Path, tmp_path: Path) -> None:
    (run / "evaluation" / "results.json").unlink()
    with pytest.raises(DataError, match="run `pretrain evaluate` first"):
        write_model_card(run, tmp_path / "README.md")


def test_same_bytes_every_time(run: Path, tmp_path: Path) -> None:
    assert card(run, tmp_path) == card(run, tmp_path)
