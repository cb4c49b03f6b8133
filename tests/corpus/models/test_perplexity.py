"""The step ``perplexity`` with models of all three kinds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pretraining.corpus.draft import Draft
from pretraining.corpus.models.ngram_training import train_arpa
from pretraining.corpus.models.perplexity import Perplexity, bucket, rounded, word_perplexity
from pretraining.corpus.models.texts import id_share
from pretraining.corpus.sections.models import PerplexityStep, TrainedModel
from pretraining.corpus.sections.sources import TextSource
from pretraining.corpus.step import Preparation, Verdict, apply
from pretraining.errors import DataError

MakeStep = Callable[..., Perplexity]


def draft(text: str) -> Draft:
    return Draft(text, "a/1", source="a", file="a.txt")


@pytest.fixture
def trusted(tmp_path: Path, speeches: list[str]) -> TextSource:
    """Eight speeches, one document a line."""
    (tmp_path / "trusted.txt").write_text("\n".join(speeches[:8]), "utf-8")
    return TextSource(type="text", path="trusted.txt", documents="line")


@pytest.fixture
def opened(tmp_path: Path, trusted: TextSource) -> MakeStep:
    """``opened(model, key=value)`` prepares and opens a step; the corpus has the source ``trusted``."""

    def make(model: dict[str, Any], held_out: float = 0.0, **keys: Any) -> Perplexity:
        section = PerplexityStep.model_validate({"type": "perplexity", "model": model, **keys})
        step = Perplexity(section)
        folder = tmp_path / "step"
        preparation = Preparation(tmp_path, folder, {"trusted": trusted}, held_out)
        step.prepare(preparation)
        step.open(preparation)
        return step

    return make


def test_perplexity_is_that_of_ccnet() -> None:
    assert word_perplexity(-6.0, 3) == pytest.approx(100.0)
    assert word_perplexity(-1e6, 3) == 1e308


def test_values_have_four_digits() -> None:
    assert (rounded(123456.7), rounded(0.0123456)) == (123500.0, 0.01235)


def test_buckets_have_ccnets_ends() -> None:
    assert [bucket(value, 10, 20) for value in (9, 10, 19, 20)] == ["head", "middle", "middle", "tail"]


def test_a_model_learned_from_the_trusted_source_knows_shuffled_words(opened: MakeStep, speeches: list[str]) -> None:
    step = opened({"type": "train", "source": "trusted", "order": 3})
    real = draft("\n".join(speeches[9].splitlines()[:6]))
    shuffled = draft(" ".join(sorted(real.text.split())))
    assert apply(step, real) is None and apply(step, shuffled) is None
    assert 50 < real.fields["perplexity"] < shuffled.fields["perplexity"] / 3
    assert real.values == [(real.fields["perplexity"],) * 2]


def test_the_limits_remove_and_the_buckets_are_fields(opened: MakeStep, speeches: list[str]) -> None:
    model = {"type": "train", "source": "trusted", "order": 3}
    known, unknown = speeches[0].splitlines()[2], "Xyzzy qwrt plugh. Zxcv bnmm!"
    step = opened(model, max_perplexity=1000, min_perplexity=50, head=300, tail=1000)
    removed = apply(step, first := draft(unknown))
    assert isinstance(removed, Verdict) and removed.reason == "perplexity_too_high" and removed.threshold == 1000
    assert removed.value == first.fields["perplexity"] > 1000 and first.fields["perplexity_bucket"] == "tail"
    removed = apply(step, second := draft(known))
    assert isinstance(removed, Verdict) and removed.reason == "perplexity_too_low"
    assert second.fields["perplexity_bucket"] == "head"


def test_held_out_documents_are_not_learned_from(
    opened: MakeStep, tmp_path: Path, trusted: TextSource, speeches: list[str]
) -> None:
    share = 0.5
    lines = (tmp_path / "trusted.txt").read_text("utf-8").splitlines()
    ids = {f"trusted/trusted.txt:{number}": line for number, line in enumerate(lines, 1) if line.strip()}
    learned = "\n".join(line for identifier, line in ids.items() if id_share(identifier) >= share)
    opened({"type": "train", "source": "trusted", "order": 2}, held_out=share)
    found = (tmp_path / "step" / "words.json").read_text()
    (tmp_path / "trusted.txt").write_text(learned, "utf-8")
    opened({"type": "train", "source": "trusted", "order": 2})
    assert 0 < len(learned) < len("\n".join(lines)) and json.loads(found) == json.loads(
        (tmp_path / "step" / "words.json").read_text()
    )


def test_training_stops_at_max_words(opened: MakeStep, tmp_path: Path) -> None:
    opened({"type": "train", "source": "trusted", "order": 2, "max_words": 100})
    assert len(json.loads((tmp_path / "step" / "words.json").read_text())) < 150


def test_kenlm_and_the_own_scorer_agree(
    opened: MakeStep, tmp_path: Path, trusted: TextSource, speeches: list[str]
) -> None:
    section = TrainedModel(type="train", source=trusted, order=3)
    train_arpa(section, tmp_path / "model.arpa", base=tmp_path)
    steps = opened({"type": "kenlm", "path": "model.arpa"}), opened({"type": "train", "source": "trusted", "order": 3})
    for text in [*speeches[9:12], "不 知道 \n\n Xyzzy"]:
        one, other = draft(text), draft(text)
        apply(steps[0], one), apply(steps[1], other)
        assert one.fields["perplexity"] == pytest.approx(other.fields["perplexity"], rel=2e-4)


def test_a_text_without_words_has_no_perplexity(opened: MakeStep) -> None:
    step = opened({"type": "train", "source": "trusted", "order": 2}, max_perplexity=1)
    empty = draft(" \n ")
    verdict = apply(step, empty)
    assert verdict is not None and verdict.reason == "empty"
    assert math.isnan(empty.values[0][0]) and empty.fields == {}


@pytest.fixture
def causal_folder(tmp_path: Path, tokenizer: Any, make_tiny_model: Any) -> Path:
    folder = tmp_path / "causal"
    make_tiny_model("gpt2").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_causal_model_predicts_every_token_once(
    opened: MakeStep, causal_folder: Path, prose: list[str], make_tiny_model: Any, tokenizer: Any
) -> None:
    import torch

    step = opened({"type": "transformers", "path": "causal", "window": 64})
    text = draft(prose[1])
    assert apply(step, text) is None
    tokens = tokenizer(prose[1], add_special_tokens=False)["input_ids"]
    assert 64 < len(tokens) <= 128
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    row, nll = [first, *tokens], 0.0
    for start in (0, 64):
        ids = torch.tensor([row[start : start + 65]])
        with torch.no_grad():
            log_probs = make_tiny_model("gpt2")(ids[:, :-1]).logits.log_softmax(-1)
        nll -= float(log_probs.gather(-1, ids[:, 1:, None]).sum())
    assert text.fields["perplexity"] == pytest.approx(math.exp(nll / len(tokens)), rel=1e-3)
    assert text.fields["bits_per_byte"] == pytest.approx(nll / math.log(2) / len(prose[1].encode()), abs=1e-3)


def test_a_window_that_the_model_cannot_take_is_refused(opened: MakeStep, causal_folder: Path) -> None:
    with pytest.raises(DataError, match="takes 64 tokens at once; lower `window` from 65"):
        opened({"type": "transformers", "path": "causal", "window": 65})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"type": "train", "source": "trustd"}, r"learned from 'trustd', but the sources are: trusted"),
        ({"type": "kenlm", "path": "no.bin"}, r"there is no file .*no\.bin"),
        ({"type": "kenlm", "path": "trusted.txt"}, r"trusted\.txt is neither a KenLM binary nor an ARPA file"),
        ({"type": "kenlm", "path": "broken.arpa"}, r"broken\.arpa cannot be read by kenlm"),
        ({"type": "transformers", "path": "nowhere"}, r"no transformers model in .*nowhere: no config\.json"),
        ({"type": "transformers", "path": "owner/never-fetched"}, r"hf download owner/never-fetched"),
        ({"type": "transformers", "path": "empty"}, r"the model in .*empty cannot be loaded"),
    ],
)
def test_what_is_missing_is_said(opened: MakeStep, tmp_path: Path, model: dict[str, Any], message: str) -> None:
    (tmp_path / "broken.arpa").write_text("\\data\\\nngram 1=7\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(DataError, match=message):
        opened(model)


def test_a_source_of_held_out_documents_alone_teaches_nothing(opened: MakeStep) -> None:
    with pytest.raises(DataError, match="'trusted' has no text that is not held out"):
        opened({"type": "train", "source": "trusted"}, held_out=0.9999999)


def test_an_arpa_file_needs_a_source_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names a source of a corpus"):
        train_arpa(TrainedModel(type="train", source="trusted"), tmp_path / "model.arpa", base=tmp_path)


@pytest.mark.parametrize(
    "keys", [{"head": 3.0}, {"model": {"type": "kenlm", "path": "a", "words": "jieba", "tokenizer": "b"}}]
)
def test_keys_that_contradict_each_other(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PerplexityStep.model_validate({"type": "perplexity", "model": {"type": "kenlm", "path": "a"}, **keys})
