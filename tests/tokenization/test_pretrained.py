from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.tokenization.config import NAMED_TOKENS, TokenizerSection
from pretraining.tokenization.pretrained import load_pretrained
from pretraining.tokenization.saved import SavedTokenizer, read_saved
from pretraining.tokenization.special import frame
from pretraining.tokenization.training import save_tokenizer, train_tokenizer


def load(folder: Path, *, special_tokens: Any = (), roles: Any = (), **keys: Any) -> Any:
    section = TokenizerSection(algorithm="pretrained", name_or_path=folder.name, **keys)
    return train_tokenizer(section, Path("no corpus"), special_tokens=special_tokens, roles=roles, base=folder.parent)


@pytest.fixture
def llama(kinds: dict[str, Any], tmp_path: Path) -> Path:
    """A folder with a tokenizer that cuts and pads, as those of sentence encoders do."""
    save_tokenizer(kinds["byte_level"], tmp_path / "llama")
    path = tmp_path / "llama" / "tokenizer.json"
    state = json.loads(path.read_text())
    state["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    path.write_text(json.dumps(state))
    return path.parent


def test_it_is_as_it_was_but_cuts_nothing(llama: Path, kinds: dict[str, Any], prose: list[str]) -> None:
    loaded = load(llama, model_max_length=99)
    assert loaded(prose[0]).input_ids == kinds["byte_level"](prose[0]).input_ids
    assert len(loaded.backend_tokenizer.encode(prose[0]).ids) > 4
    assert frame(loaded) == frame(kinds["byte_level"])
    assert (len(loaded), loaded.model_max_length, loaded.clean_up_tokenization_spaces) == (320, 99, False)


def test_what_the_objective_needs_is_added_where_the_recipe_allows(llama: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    needs = {"special_tokens": ["<x_0>", "<x_1>"], "roles": ["mask_token", "cls_token"]}
    with pytest.raises(DataError, match=r"has no \[MASK\].*add_missing_tokens: true to add it behind its 320 tokens"):
        load(llama, **needs)
    with pytest.raises(DataError, match=r"has no <x_0>, <x_1>.*to add them"):
        load(llama, special_tokens=needs["special_tokens"])
    many = [f"<x_{number}>" for number in range(100)]
    with pytest.raises(DataError, match=r"has no <x_0>, <x_1>, <x_2> and 97 more, which"):
        load(llama, special_tokens=many)
    save_tokenizer(load(llama, add_missing_tokens=True, **needs), tmp_path / "more")
    more = AutoTokenizer.from_pretrained(tmp_path / "more")
    assert (more.mask_token_id, more.cls_token_id, len(more)) == (320, more.bos_token_id, 323)
    assert more.convert_tokens_to_ids(["<x_0>", "<x_1>"]) == [321, 322]
    assert {"<x_0>", "<x_1>", "[MASK]"} <= set(more.all_special_tokens)
    assert more.encode("a<x_1>b", add_special_tokens=False)[1] == 322


def test_a_token_that_is_there_gets_a_name(llama: Path) -> None:
    named = load(llama, pad_token="<|end_of_text|>", additional_special_tokens=["<|pad|>"])
    assert named.pad_token_id == named.eos_token_id and len(named) == 320


def test_what_is_no_tokenizer_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"tokenizer.name_or_path = no/where: there is no folder .*/no/where, and the hub"
    ) as raised:
        load_pretrained(TokenizerSection(algorithm="pretrained", name_or_path="no/where"), base=tmp_path)
    assert "(it cannot be reached from here, and its cache has no copy). Write a folder" in str(raised.value)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tokenizer.json").write_text("{}")
    (tmp_path / "broken" / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(DataError, match=r"name_or_path = broken: it gave no tokenizer"):
        load(tmp_path / "broken")


@pytest.mark.parametrize("kind", ["byte_level", "metaspace", "unigram", "wordpiece"])
def test_the_files_alone_tell_what_transformers_loads(kinds: dict[str, Any], tmp_path: Path, kind: str) -> None:
    save_tokenizer(kinds[kind], tmp_path / "bert")
    tokenizer = load(tmp_path / "bert", additional_special_tokens=["<more>"], add_missing_tokens=True)
    save_tokenizer(tokenizer, tmp_path / "bert-more")
    saved = read_saved(tmp_path / "bert-more")
    assert saved == SavedTokenizer(
        frozenset(tokenizer.get_vocab()),
        {name: token for name in NAMED_TOKENS if (token := getattr(tokenizer, name)) is not None},
    )


@pytest.mark.parametrize("kind", [None, "PreTrainedTokenizerFast", "GPT2Tokenizer", "BertTokenizerFast"])
def test_the_files_of_others_tell_it_too(llama: Path, kind: str | None) -> None:
    about = {"pad_token": {"content": "<p>", "__type": "AddedToken"}, "additional_special_tokens": ["<q>"]}
    if kind is not None:
        (llama / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": kind, **about}))
    else:
        (llama / "tokenizer_config.json").unlink()
    folder = llama.rename(llama.with_name("bert-base-uncased"))  # the name of the folder decides nothing
    tokenizer, saved = load(folder), read_saved(folder)
    assert saved is not None and saved.tokens == set(tokenizer.get_vocab())
    assert saved.named == {name: token for name in NAMED_TOKENS if (token := getattr(tokenizer, name)) is not None}


def test_a_hub_that_cannot_be_reached_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from huggingface_hub import HfApi

    asked: list[str] = []

    def model_info(self: Any, name: str, **_: Any) -> None:
        asked.append(name)
        raise ConnectionRefusedError

    monkeypatch.setattr(HfApi, "model_info", model_info)
    with pytest.raises(DataError, match="it cannot be reached from here"):
        load_pretrained(TokenizerSection(algorithm="pretrained", name_or_path="gpt2"), base=tmp_path)
    assert asked == ["gpt2"] and not caplog.records
