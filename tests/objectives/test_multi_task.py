"""Several objectives at once: every sample goes to one task, by its own draw, and comes out as that task makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pretraining.objectives import DataCollatorForMultiTask, make_collator
from pretraining.objectives.config import ObjectiveSection

WIDTH = 32
TASKS = [
    {"name": "spans", "objective": {"type": "span_corruption"}, "rate": 3.0},
    {"name": "prefix", "objective": {"type": "prefix_lm", "form": "encoder_decoder"}},
    {"name": "noise", "objective": {"type": "denoising"}, "rate": 2.0},
]


def section(*tasks: dict[str, Any], **keys: Any) -> Any:
    return TypeAdapter(ObjectiveSection).validate_python({"type": "multi_task", "tasks": list(tasks), **keys})


@pytest.fixture(scope="module")
def tokenizer(make_tokenizer: Any) -> Any:
    found = section(*TASKS)
    return make_tokenizer(*found.special_tokens(), **{role: f"<{role}>" for role in found.token_roles()})


@pytest.fixture(scope="module")
def collator(tokenizer: Any) -> Any:
    """``collator(seed)``."""
    return lambda seed=0: make_collator(section(*TASKS), tokenizer, sequence_length=WIDTH, seed=seed)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"a": 1.0}, r"rates are given for \['a'\], and there are the tasks \['a', 'b'\]"),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, r"given for \['a', 'b', 'c'\]"),
        ({"a": 0.0, "b": 0.0}, "one of them above 0"),
        ({"a": 1.0, "b": -0.5}, "each is a number from 0 on"),
        ({"a": 1.0, "b": float("nan")}, "each is a number from 0 on"),
    ],
)
def test_rates_that_are_none(rates: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataCollatorForMultiTask({"a": list, "b": list}, rates)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(0, 31), min_size=1, max_size=6),
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 9),
)
def test_every_sample_comes_out_of_one_task(
    collator: Any, tokenizer: Any, pack: Any, sizes: list[int], seed: int, epoch: int
) -> None:
    samples = [pack(list(range(10, 10 + size)), index=index, epoch=epoch) for index, size in enumerate(sizes)]
    before = [sample["input_ids"].copy() for sample in samples]
    together = collator(seed)
    batch, tasks = together(samples), together.tasks(samples)
    assert {key.partition("/")[0] for key in batch} == set(tasks)  # a task without samples is not there
    assert all(np.array_equal(sample["input_ids"], ids) for sample, ids in zip(samples, before, strict=True))
    for task in TASKS:
        own = [sample for sample, name in zip(samples, tasks, strict=True) if name == task["name"]]
        if own:
            objective = TypeAdapter(ObjectiveSection).validate_python(task["objective"])
            alone = make_collator(objective, tokenizer, sequence_length=WIDTH, seed=seed)(own)
            assert all(torch.equal(tensor, batch[f"{task['name']}/{key}"]) for key, tensor in alone.items())


def test_tasks_are_drawn_at_their_rates(collator: Any, pack: Any) -> None:
    samples = [pack([10, 11], index=index) for index in range(6000)]
    tasks = collator(5).tasks(samples)
    for name, share in (("spans", 1 / 2), ("prefix", 1 / 6), ("noise", 1 / 3)):
        assert tasks.count(name) / 6000 == pytest.approx(share, abs=4 * (share * (1 - share) / 6000) ** 0.5)
    assert tasks[:50] != collator(6).tasks(samples[:50])
    assert tasks[:50] != collator(5).tasks([{**sample, "epoch": 1} for sample in samples[:50]])


def test_the_draw_of_the_task_says_nothing_about_its_own_draws(collator: Any, tokenizer: Any, pack: Any) -> None:
    """Prefixes of the samples that the task was drawn for are as long as those of all."""
    samples = [pack(list(range(10, 40)), index=index) for index in range(4000)]
    batch = collator(2)(samples)
    lengths = (batch["prefix/document_ids"] > 0).sum(1).float()
    objective = TypeAdapter(ObjectiveSection).validate_python(TASKS[1]["objective"])
    every = make_collator(objective, tokenizer, sequence_length=WIDTH, seed=2)(samples)
    expected = (every["document_ids"] > 0).sum(1).float()
    assert abs(lengths.mean() - expected.mean()) < 4 * expected.std() / len(lengths) ** 0.5


def test_the_row_has_room_for_every_task(collator: Any) -> None:
    found, whole = collator(), section(*TASKS)
    each = [task.objective.raw_length(512) for task in whole.tasks]
    assert found.raw_length(512) == whole.raw_length(512) == min(each) == 511 and max(each) == 568
    assert found.special_tokens() == whole.special_tokens() == [f"<extra_id_{number}>" for number in range(100)]
    assert whole.heads() == ("seq2seq_lm",) and whole.weights() == {"spans": 1.0, "prefix": 1.0, "noise": 1.0}


def test_tasks_with_heads_of_their_own_are_refused() -> None:
    xlnet = {"type": "permutation_lm"}
    with pytest.raises(ValidationError, match=r"which leaves out a \(permutation_lm\), b \(permutation_lm\)"):
        section({"name": "a", "objective": xlnet}, {"name": "b", "objective": xlnet})
    with pytest.raises(ValidationError, match=r"of a vocabulary alone can share a model, which leaves out b \(contra"):
        section(TASKS[0], {"name": "b", "objective": {"type": "contrastive"}})


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"name": "spans", "objective": {"type": "denoising"}}, r"names of their own, not \['spans', 'spans'\]"),
        (
            {"name": "next", "objective": {"type": "causal_lm"}},
            "no kind of model in common: spans needs seq2seq_lm; next needs causal_lm",
        ),
        (
            {"name": "edge", "objective": {"type": "masked_lm", "unit": "span", "span_boundary": True}},
            "span_boundary needs a head of its own",
        ),
        ({"name": "more", "objective": {"type": "multi_task", "tasks": TASKS}}, "multi_task"),
    ],
)
def test_tasks_that_cannot_share_a_model_are_refused(other: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        section(TASKS[0], other)
