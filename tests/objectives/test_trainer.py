"""Every collator in ``transformers.Trainer``, with accumulation: the losses are those of our own step.

Three steps each; ``pytest -m slow -rP tests/objectives/test_trainer.py`` takes twenty, and says the largest difference.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from pydantic import TypeAdapter

from pretraining.modeling.assemble import make_pretraining_model
from pretraining.modeling.config import ModelSection
from pretraining.modeling.pretraining_model import ForTrainer, PretrainingModel
from pretraining.objectives import COLLATORS, make_collator
from pretraining.objectives.config import ObjectiveSection
from pretraining.training.step import means, update

WIDTH, ROWS, ACCUMULATION = 24, 2, 2
SIZES = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,  # so that tokens differ in their loss, and a wrong mean is another number
}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2, "dropout_rate": 0.0}
BART = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
    "dropout": 0.0,
    "init_std": 0.3,
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": SIZES,
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 64, "initializer_range": 0.3},
    "bert": SIZES,
    "albert": {**SIZES, "embedding_size": 8},
    "electra": {**SIZES, "embedding_size": 8},
    "xlnet": {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 32, "initializer_range": 0.3},
    "t5": T5,
    "bart": BART,
}
MIXED = {
    "type": "multi_task",
    "tasks": [
        {"name": "few", "objective": {"type": "masked_lm"}, "weight": 2.0},
        {"name": "many", "objective": {"type": "masked_lm", "mlm_probability": 0.4}},
    ],
}
ONE_TERM: list[tuple[str, dict[str, Any]]] = [
    ("llama", {"type": "causal_lm"}),
    ("llama", {"type": "prefix_lm"}),
    ("t5", {"type": "prefix_lm", "form": "encoder_decoder"}),
    ("gpt2", {"type": "fill_in_the_middle", "fim_rate": 0.9}),
    ("bert", {"type": "masked_lm", "exact": False}),
    ("t5", {"type": "span_corruption"}),
    ("t5", {"type": "mixture_of_denoisers"}),
    ("bart", {"type": "denoising"}),
    ("xlnet", {"type": "permutation_lm"}),
]
MORE_TERMS: list[tuple[str, dict[str, Any]]] = [
    ("electra", {"type": "replaced_token_detection"}),
    ("electra", {"type": "replaced_token_detection", "adversarial": True}),
    ("albert", {"type": "sentence_pair", "pair": "sentence_order", "short_seq_prob": 0.0}),
    ("llama", {"type": "blank_infilling", "average_block_length": 1, "max_block_length": 1}),
    ("bert", MIXED),
    ("bert", {**MIXED, "normalization": "tokens"}),
]
UNEVEN = [*MORE_TERMS[::2], *MORE_TERMS[3:4], ("bert", {"type": "masked_lm", "unit": "span", "span_boundary": True})]


@pytest.fixture(scope="module", autouse=True)
def _thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


def section(keys: dict[str, Any]) -> Any:
    return TypeAdapter(ObjectiveSection).validate_python(keys)


@pytest.fixture(scope="session")
def make(make_tokenizer: Any) -> Any:
    """``make(architecture, objective)``: a function for new models, always the same one, and the collator."""

    def prepare(architecture: str, keys: dict[str, Any]) -> tuple[Any, Any]:
        objective = section(keys)
        roles = {role: f"<{role}>" for role in objective.token_roles()}
        tokenizer = make_tokenizer(*objective.special_tokens(), **roles)
        collator = make_collator(objective, tokenizer, sequence_length=WIDTH, seed=3)

        def build() -> PretrainingModel:
            model = ModelSection(architecture=architecture, attn_implementation="eager", **ARCHITECTURES[architecture])
            module = make_pretraining_model(model, objective, tokenizer, seed=0)
            for child in module.modules():
                if isinstance(child, torch.nn.Dropout):
                    child.p = 0.0
            return module

        return build, collator

    return prepare


def samples(collator: Any, count: int, *, even: bool) -> list[dict[str, Any]]:
    """Words with a full stop here and there: full rows with equally many targets, or rows of all sizes."""
    most, generator = collator.raw_length(WIDTH), np.random.default_rng(1)
    made = []
    for index in range(4 * count):
        size = most if even else int(generator.integers(8, most + 1))
        ids = generator.integers(10, 500, size).astype(np.uint16)
        ids[5::7] = 503
        made.append({"input_ids": ids, "lengths": np.array([size]), "index": index, "epoch": 0, "stage": 0})
    if even and hasattr(collator, "tasks"):  # one sample of each task in every micro-batch
        of_task = {
            task: [s for s, own in zip(made, collator.tasks(made), strict=True) if own == task]
            for task in collator.names
        }
        made = [sample for each in zip(*of_task.values(), strict=False) for sample in each]
    return made[:count]


def in_trainer(
    module: PretrainingModel, collator: Any, data: list[dict[str, Any]], folder: Path, **options: Any
) -> tuple[list[float], Any]:
    """The loss of every step of the trainer, and the trainer."""
    settings = {"per_device_train_batch_size": ROWS, "gradient_accumulation_steps": ACCUMULATION, "save_strategy": "no"}
    settings |= options
    resumed = settings.pop("resume_from_checkpoint", None)
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), num_train_epochs=1, learning_rate=1e-3, lr_scheduler_type="constant",
        optim="adamw_torch", weight_decay=0.0, logging_steps=1, train_sampling_strategy="sequential",
        remove_unused_columns=False, use_cpu=True, report_to=[], disable_tqdm=True, **settings,
    )  # fmt: skip
    trainer = transformers.Trainer(
        model=ForTrainer(module),
        args=arguments,
        train_dataset=data,
        data_collator=collator,  # type: ignore[arg-type]
    )
    trainer.remove_callback(transformers.PrinterCallback)
    gc.freeze()  # the trainer collects garbage, and looks at every object of every module for it
    trainer.train(resume_from_checkpoint=resumed)
    return [line["loss"] for line in trainer.state.log_history if "loss" in line], trainer


def steps_of(collator: Any, data: list[dict[str, Any]]) -> list[list[dict[str, torch.Tensor]]]:
    """The micro-batches of every step."""
    micro = [collator(data[first : first + ROWS]) for first in range(0, len(data), ROWS)]
    return [micro[first : first + ACCUMULATION] for first in range(0, len(micro), ACCUMULATION)]


def counted(module: PretrainingModel, micro: list[dict[str, torch.Tensor]]) -> dict[str, float]:
    each = [module.counts(batch) for batch in micro]
    return {term: float(sum(counts[term] for counts in each)) for term in module.weights}


def in_our_loop(setup: Any, steps: list[list[dict[str, torch.Tensor]]]) -> list[float]:
    return [update(setup, micro, counted(setup.inner, micro), step)[0]["loss"] for step, micro in enumerate(steps)]


def as_documented(module: PretrainingModel, steps: list[list[dict[str, torch.Tensor]]]) -> list[float]:
    """Micro-batches weighted by their share of the labels, or all alike; within one, every term has its own mean."""
    optimizer, losses = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.0), []
    for micro in steps:
        labels = [int((batch["labels"] != -100).sum()) if "labels" in batch else 1 for batch in micro]
        parts = [
            means(module, module(**batch), module.counts(batch))["loss"] * own / sum(labels)
            for batch, own in zip(micro, labels, strict=True)
        ]
        total: Any = sum(parts)
        total.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(total.detach()))
    return losses


def tell_difference(found: list[float], ours: list[float]) -> None:
    """For ``-rP``."""
    largest = max(abs(a - b) for a, b in zip(found, ours, strict=True))
    print(f"{len(ours)} steps, loss {ours[0]:.4f} to {ours[-1]:.4f}, largest difference {largest:.1e}")


def compare(
    make: Any, one_process: Any, case: tuple[str, dict[str, Any]], folder: Path, *, steps: int = 3, even: bool
) -> None:
    build, collator = make(*case)
    data = samples(collator, steps * ROWS * ACCUMULATION, even=even)
    found, _ = in_trainer(build(), collator, data, folder)
    setup = one_process(build())
    ours = in_our_loop(setup, steps_of(collator, data))
    tell_difference(found, ours)
    assert len(found) == len(set(ours)) == steps
    assert len(setup.optimizers[0].state) == len([*setup.module.parameters()])  # DDP waits for every gradient
    assert found == pytest.approx(ours, rel=1e-6, abs=1e-5)


def name(case: Any) -> str:
    return f"{case[0]} {case[1]['type']}"


def test_every_objective_is_here() -> None:
    assert {keys["type"] for _, keys in ONE_TERM + MORE_TERMS} | {"contrastive"} == set(COLLATORS)


@pytest.mark.parametrize("case", ONE_TERM, ids=name)
def test_one_term_is_exact_for_any_micro_batches(make: Any, one_process: Any, case: Any, tmp_path: Path) -> None:
    compare(make, one_process, case, tmp_path, even=False)


@pytest.mark.parametrize("case", MORE_TERMS, ids=name)
def test_more_terms_are_exact_for_even_micro_batches(make: Any, one_process: Any, case: Any, tmp_path: Path) -> None:
    compare(make, one_process, case, tmp_path, even=True)


@pytest.mark.parametrize("case", UNEVEN, ids=name)
def test_more_terms_are_weighted_means_of_uneven_ones(make: Any, one_process: Any, case: Any, tmp_path: Path) -> None:
    build, collator = make(*case)
    data = samples(collator, 2 * ROWS * ACCUMULATION, even=False)
    found, _ = in_trainer(build(), collator, data, tmp_path)
    assert found == pytest.approx(as_documented(build(), steps_of(collator, data)), rel=1e-6, abs=1e-5)


@pytest.fixture(scope="session")
def with_views(make: Any) -> Any:
    """(a function for an encoder whose second view of a text differs, always in the same way, and the collator)."""
    build, collator = make("bert", {"type": "contrastive"})

    def change(_: Any, __: Any, out: torch.Tensor) -> torch.Tensor:
        return out + 0.3 * (torch.arange(len(out)) % 2)[:, None, None] * out.roll(1, -1)

    def prepare() -> PretrainingModel:
        module = build()
        module.model.embeddings.register_forward_hook(change)  # dropout is off, so that both draw the same
        return module

    return prepare, collator


def compare_pools(with_views: Any, one_process: Any, folder: Path, *, steps: int) -> list[float]:
    """One micro-batch of the trainer is what our loop makes of two; its losses."""
    build, collator = with_views
    data = samples(collator, steps * ROWS * ACCUMULATION, even=False)
    ours = in_our_loop(one_process(build()), steps_of(collator, data))
    sizes = {"per_device_train_batch_size": ROWS * ACCUMULATION, "gradient_accumulation_steps": 1}
    found, _ = in_trainer(build(), collator, data, folder, **sizes)
    tell_difference(found, ours)
    assert len(found) == len(set(ours)) == steps
    assert found == pytest.approx(ours, rel=1e-6, abs=1e-5)
    return found


def test_contrastive_has_the_micro_batch_as_its_pool(with_views: Any, one_process: Any, tmp_path: Path) -> None:
    found = compare_pools(with_views, one_process, tmp_path, steps=3)
    build, collator = with_views
    data = samples(collator, 3 * ROWS * ACCUMULATION, even=False)[: ROWS * ACCUMULATION]
    pools, _ = in_trainer(build(), collator, data, tmp_path)
    (first,) = steps_of(collator, data)
    module = build()
    assert pools == pytest.approx(
        [sum(float(module(**batch)["loss"].detach()) for batch in first) / len(data)], rel=1e-6, abs=1e-5
    )
    assert pools[0] < 0.9 * found[0]


def test_the_trainer_saves_and_resumes_tied_weights(make: Any, tmp_path: Path) -> None:
    build, collator = make("electra", {"type": "replaced_token_detection"})
    data = samples(collator, 2 * ROWS * ACCUMULATION, even=True)
    whole, trainer = in_trainer(build(), collator, data, tmp_path, save_strategy="steps", save_steps=1)
    again, other = in_trainer(build(), collator, data, tmp_path, resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert again == whole
    for (key, a), b in zip(trainer.model.named_parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b), key


@pytest.mark.parametrize("case", [ONE_TERM[0], MORE_TERMS[4], ("bert", {"type": "contrastive"})], ids=name)
def test_there_is_an_eval_loss_whatever_the_labels_are_called(make: Any, case: Any, tmp_path: Path) -> None:
    build, collator = make(*case)
    data = samples(collator, ROWS, even=True)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), remove_unused_columns=False, use_cpu=True, report_to=[], disable_tqdm=True
    )
    module = build().eval()
    trainer = transformers.Trainer(model=ForTrainer(module), args=arguments, data_collator=collator)
    batch = collator(data)
    expected = float(means(module, module(**batch), module.counts(batch))["loss"].detach())
    assert trainer.evaluate(data)["eval_loss"] == pytest.approx(expected, rel=1e-6)


def test_the_example_of_the_page(word_piece: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "src/pretraining/objectives/README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda _: word_piece)
    monkeypatch.chdir(tmp_path)
    made: dict[str, Any] = {}
    exec(code, made)
    assert made["trainer"].state.log_history[-1]["eval_loss"] > 0
    loaded = transformers.AutoModelForMaskedLM.from_pretrained("trained/model")
    assert loaded.config.vocab_size == len(word_piece)


@pytest.mark.slow
@pytest.mark.parametrize("case", ONE_TERM + MORE_TERMS, ids=name)
def test_every_objective_for_twenty_steps(make: Any, one_process: Any, case: Any, tmp_path: Path) -> None:
    compare(make, one_process, case, tmp_path, steps=20, even=case in MORE_TERMS)


@pytest.mark.slow
def test_contrastive_for_twenty_steps(with_views: Any, one_process: Any, tmp_path: Path) -> None:
    compare_pools(with_views, one_process, tmp_path, steps=20)
