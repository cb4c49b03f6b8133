"""Other tokenizers, beside this one, on the same text."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pretraining.errors import DataError
from pretraining.tokenization import others
from pretraining.tokenization.comparison import compare, compared_documents
from pretraining.tokenization.components import PATTERNS
from pretraining.tokenization.others import find, from_ranks, load_other
from pretraining.tokenization.training import save_tokenizer


def test_a_tokenizer_from_a_folder_and_from_its_file(tokenizer: Any, prose: list[str], tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path / "own")
    data = json.loads((tmp_path / "own" / "tokenizer.json").read_text())
    data["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    (tmp_path / "short.json").write_text(json.dumps(data))
    expected = tokenizer.backend_tokenizer.encode(prose[0], add_special_tokens=False).ids
    for name in ("own", "own/tokenizer.json", "short.json"):
        assert load_other(name, tmp_path).encode(prose[0], add_special_tokens=False).ids == expected
    ends = load_other("own", tmp_path).encode(tokenizer.eos_token, add_special_tokens=False).ids
    assert tokenizer.eos_token_id not in ends


def test_a_file_of_ranks_gives_the_tokens_of_its_tokenizer(
    kinds: dict[str, Any], prose: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, pattern in (("byte_level", "gpt2"), ("llama3", "llama3")):
        tokenizer = kinds[kind]
        ordinary = {name: i for name, i in tokenizer.get_vocab().items() if i not in tokenizer.all_special_ids}
        tokens = sorted(ordinary, key=ordinary.__getitem__)
        lines = [b"%s %d" % (base64.b64encode(_bytes(token)), rank) for rank, token in enumerate(tokens)]
        path = tmp_path / f"{kind}.tiktoken"
        path.write_bytes(b"\n".join(lines) + b"\n")
        monkeypatch.setattr(others, "_RANK_FILES", {len(tokens): PATTERNS[pattern]})
        other = load_other(str(path))
        for text in [*prose, "naïve 中文\n\n  x"]:
            mine = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).tokens
            found = other.encode(text)
            if kind == "byte_level":  # llama3's digits are split in a step of its own here
                assert found.tokens == mine
            assert other.decode(found.ids) == text


def _bytes(token: str) -> bytes:
    from pretraining.tokenization.round_trip import _BYTES

    return bytes(map(_BYTES.__getitem__, token))


def test_a_file_of_an_installed_package(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_tokenizer(tokenizer, tmp_path / "some_package" / "files")
    (tmp_path / "some_package" / "__init__.py").write_text("raise SystemExit('is not imported')")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert load_other("package:some_package/files").get_vocab_size() == 320
    with pytest.raises(DataError, match=r"the package has no file 'x\.json'"):
        find("package:some_package/x.json", Path())
    with pytest.raises(DataError, match="no package not_there is installed"):
        find("package:not_there/x.json", Path())


def test_what_cannot_be_read_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "b.tiktoken").write_text("IQ== 0\nIg== 1\n")
    (tmp_path / "c.model").write_bytes(bytes(range(1, 200)))
    (tmp_path / "empty").mkdir()
    for name, reason in (
        ("a.json", ""),
        ("b.tiktoken", "a file of 2 ranks; a pattern is known for those of 50,256"),
        ("c.model", "neither JSON nor lines of a token and its rank"),
        ("empty", "No such file"),
    ):
        with pytest.raises(DataError, match=rf"tokenizer.compare: {name}: .*{reason}.*or remove it"):
            load_other(name, tmp_path)


def test_held_out_documents_are_compared(corpus_folder: Path, kinds: dict[str, Any]) -> None:
    split, documents = compared_documents(corpus_folder)
    assert (split, len(documents)) == ("validation", 5)
    found = compare({name: tokenizer.backend_tokenizer for name, tokenizer in kinds.items()}, documents)
    assert [each["name"] for each in found] == list(kinds)
    for each in found:
        size = sum(document.size for document in documents)
        assert each["all"]["bytes"] == size == sum(figures["bytes"] for figures in each["sources"].values())
        assert each["lossless"] == (0 if each["name"] in ("wordpiece", "uncased") else 5)
        assert each["languages"]["unknown"] == each["all"]
    tokens = kinds["llama3"].backend_tokenizer.encode_batch([d.text for d in documents], add_special_tokens=False)
    assert found[1]["all"]["tokens"] == sum(map(len, tokens))


def test_of_much_text_every_part_is_compared(make_corpus: Callable[..., Path], tmp_path: Path) -> None:
    sources = ["a"] * 40 + ["b"] * 20
    corpus = make_corpus(tmp_path, ["word " * 20] * 60, files=3, source=sources)
    split, documents = compared_documents(corpus, most=1500)
    assert split == "train"
    assert [document.source for document in documents] == ["a"] * 10 + ["b"] * 5
    make_corpus(tmp_path, ["x" * 300_000], split="validation")
    assert [document.size for document in compared_documents(tmp_path)[1]] == [100_000]


def test_ranks_are_merged_as_tiktoken_merges() -> None:
    ranks = {bytes([byte]): byte for byte in range(256)} | {b"bc": 256, b"ab": 257, b"abc": 258}
    content = b"\n".join(base64.b64encode(token) + b" %d" % rank for token, rank in ranks.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(others, "_RANK_FILES", {len(ranks): PATTERNS["gpt2"]})
        tokenizer = from_ranks(content)
    # "bc" before "ab", then "a" and "bc" make "abc" although "ab" and "c" would too.
    assert tokenizer.encode("abc ab").tokens == ["abc", "Ġ", "ab"]


def test_the_recipe_is_checked_before_anything_is_encoded(tokenizer: Any, tmp_path: Path) -> None:
    from pretraining.tokenization.checks import RULES
    from pretraining.tokenization.config import TokenizerSection

    (rule,) = (rule for rule in RULES if rule.id == "compared_tokenizers_there")
    save_tokenizer(tokenizer, tmp_path / "own")
    (tmp_path / "empty").mkdir()
    names = ["own", "own/tokenizer.json", "owner/name", "gpt2", "./gone", "gone.json", "package:not_there/x", "empty"]
    found = list(rule.check(tokenizer=TokenizerSection(compare=names), base=tmp_path))
    assert [finding.path for finding in found] == [f"tokenizer.compare[{number}]" for number in (4, 5, 6, 7)]
    assert [finding.message for finding in found] == [
        f"there is no {tmp_path / 'gone'}",
        f"there is no {tmp_path / 'gone.json'}",
        "package:not_there/x: no package not_there is installed",
        f"{tmp_path / 'empty'} holds no tokenizer.json",
    ]
