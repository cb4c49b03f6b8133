from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.tokenization.config import TokenizerSection
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
    with pytest.raises(DataError, match=r"tokenizer.name_or_path = nowhere: nowhere: neither the folder .* hub"):
        load(tmp_path / "nowhere")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "tokenizer.json").write_text("{}")
    (tmp_path / "broken" / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    with pytest.raises(DataError, match=r"the folder .*broken gave no tokenizer"):
        load(tmp_path / "broken")
