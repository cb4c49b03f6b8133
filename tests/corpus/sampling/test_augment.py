from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pretraining.corpus.draft import Draft
from pretraining.corpus.removed import id_hash
from pretraining.corpus.sampling.augment import Augment
from pretraining.corpus.sections.sampling import AugmentStep
from pretraining.corpus.step import Preparation, Verdict, apply
from pretraining.errors import DataError

HOOKS = """
calls = []

def synonyms(text):
    return text.replace("People", "Citizens")

def empty(text):
    return ""

def none(text):
    return None

def angry(text):
    if "angry" in text:
        raise RuntimeError("no such mood")
    return text

def always_angry(text):
    raise KeyError("mood")

number = 7
"""
TEXT = "We the People\n\nof the United States"


@pytest.fixture(autouse=True)
def hooks(tmp_path: Path) -> Iterator[None]:
    """A module beside the recipe; it is forgotten afterwards, as every test has a folder of its own."""
    (tmp_path / "my_hooks.py").write_text(HOOKS)
    (tmp_path / "broken_hooks.py").write_text("1 / 0")
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in ("my_hooks", "broken_hooks"):
        sys.modules.pop(name, None)


def made(tmp_path: Path, *, held_out: float = 0.0, **keys: Any) -> Augment:
    step = Augment(AugmentStep.model_validate({"type": "augment", **keys}))
    preparation = Preparation(base=tmp_path, folder=tmp_path, sources={}, held_out=held_out)
    step.prepare(preparation)
    step.open(preparation)
    return step


def run(step: Augment, text: str = TEXT, identifier: str = "id") -> tuple[Draft, Verdict | None]:
    draft = Draft(text, identifier, source="s", file="f")
    return draft, apply(step, draft)


def test_a_callable_beside_the_recipe_replaces_the_text(tmp_path: Path) -> None:
    draft, verdict = run(made(tmp_path, callable="my_hooks:synonyms"))
    assert (draft.text, verdict) == ("We the Citizens\n\nof the United States", None)
    assert draft.edits == [{"documents_augmented": 1}]


def test_or_is_added_to_it(tmp_path: Path) -> None:
    draft, _ = run(made(tmp_path, callable="my_hooks:synonyms", mode="append", separator="\n---\n"))
    assert draft.text == TEXT + "\n---\n" + TEXT.replace("People", "Citizens")


def test_a_text_that_did_not_change_is_no_edit(tmp_path: Path) -> None:
    draft, _ = run(made(tmp_path, callable="my_hooks:synonyms"), "They the many")
    assert draft.edits == [{}]


def test_nothing_left_is_empty(tmp_path: Path) -> None:
    _, verdict = run(made(tmp_path, callable="my_hooks:empty"))
    assert verdict is not None and verdict.reason == "empty"


def test_the_rate_chooses_the_same_documents_each_time(tmp_path: Path) -> None:
    def changed(rate: float) -> set[str]:
        step = made(tmp_path, callable="my_hooks:synonyms", rate=rate)
        return {str(i) for i in range(300) if run(step, identifier=str(i))[0].text != TEXT}

    assert 60 < len(changed(0.3)) < 120
    assert changed(0.3) == changed(0.3) < changed(0.6) < changed(1.0)


def test_held_out_documents_are_left_alone(tmp_path: Path) -> None:
    step = made(tmp_path, callable="my_hooks:synonyms", held_out=0.5)
    for i in map(str, range(50)):
        assert (run(step, identifier=i)[0].text == TEXT) == (id_hash(i) / 2**64 < 0.5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_hooks:f", r"(?s)No module named 'no_such_hooks'.*put it at .*no_such_hooks\.py"),
        ("my_hooks:nope", "the module my_hooks has no 'nope'"),
        ("my_hooks:number", "is int, which cannot be called"),
        ("broken_hooks:f", "importing broken_hooks failed: ZeroDivisionError: division by zero"),
        ("my_hooks:none", "my_hooks:none returned NoneType for a first try, not a text"),
        ("my_hooks:always_angry", "my_hooks:always_angry failed on a first try: KeyError: 'mood'"),
    ],
)
def test_a_bad_callable_is_found_before_any_document(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(tmp_path, callable=name)


def test_an_error_names_the_document(tmp_path: Path) -> None:
    step = made(tmp_path, callable="my_hooks:angry")
    with pytest.raises(DataError, match="my_hooks:angry failed on document web/7: RuntimeError: no such mood"):
        run(step, "an angry text", "web/7")


def test_exactly_one_hook() -> None:
    with pytest.raises(ValidationError, match="give exactly one of callable, pipeline"):
        AugmentStep(type="augment")
    with pytest.raises(ValidationError, match="should match pattern"):
        AugmentStep(type="augment", callable="my_hooks.synonyms")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a T5 and a Llama of a few thousand random parameters, and their tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    folder = tmp_path_factory.mktemp("models")
    words = ["<pad>", "</s>", "<unk>", "We", "the", "People", "of", "United", "States", "say", ":"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()  # type: ignore[assignment]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=30
    )
    size: dict[str, Any] = {"vocab_size": len(words), "pad_token_id": 0, "eos_token_id": 1}
    torch.manual_seed(3)
    t5 = T5Config(d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2, decoder_start_token_id=0, **size)
    llama = LlamaConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        **size,
    )
    for name, model in (("t5", T5ForConditionalGeneration(t5)), ("llama", LlamaForCausalLM(llama))):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


@pytest.mark.parametrize(("task", "model"), [("text2text-generation", "t5"), ("text-generation", "llama")])
def test_a_model_rewrites_line_by_line(tmp_path: Path, models: Path, task: str, model: str) -> None:
    stage = {"task": task, "model": str(models / model), "max_new_tokens": 5}
    step = made(tmp_path, pipeline=[stage])
    lines = TEXT.split("\n")
    draft, _ = run(step)
    alone = [run(step, line)[0].text if line else "" for line in lines]
    assert draft.text == "\n".join(alone) and draft.text != TEXT
    assert run(step)[0].text == draft.text
    prompted = made(tmp_path, pipeline=[{**stage, "prompt": "say: {text}"}])
    assert run(prompted, lines[0])[0].text == run(step, f"say: {lines[0]}")[0].text


def test_two_models_one_after_the_other(tmp_path: Path, models: Path) -> None:
    first = {"task": "text2text-generation", "model": str(models / "t5"), "max_new_tokens": 3}
    second = {"task": "text-generation", "model": str(models / "llama"), "max_new_tokens": 4}
    draft, _ = run(made(tmp_path, pipeline=[first, second]))
    between, _ = run(made(tmp_path, pipeline=[first]))
    assert draft.text == run(made(tmp_path, pipeline=[second]), between.text)[0].text


def test_a_line_that_does_not_fit_into_the_model_stays(tmp_path: Path, models: Path) -> None:
    line = "We the People " * 11
    for task, model in (("text2text-generation", "t5"), ("text-generation", "llama")):
        step = made(tmp_path, pipeline=[{"task": task, "model": str(models / model), "max_new_tokens": 4}])
        assert run(step, line)[0].text == line


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)a model is expected at .*marian, where there is no config\.json"):
        made(tmp_path, pipeline=[{"task": "text-generation", "model": "marian"}])


def test_a_model_for_another_task(tmp_path: Path, models: Path) -> None:
    with pytest.raises(DataError, match="llama cannot be loaded for text2text-generation"):
        made(tmp_path, pipeline=[{"task": "text2text-generation", "model": str(models / "llama")}])
