from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from pretraining.objectives import DataCollatorForCausalLM


class Vocabulary:
    pad_token_id: int | None = 2
    eos_token_id = 1
    sep_token_id = None
    all_special_ids = (1, 2)

    @staticmethod
    def get_vocab() -> dict[str, int]:
        return {str(number): number for number in range(320)}


def collate(*documents: list[int], length: int = 8, tokenizer: Any = None) -> dict[str, torch.Tensor]:
    sample = {
        "input_ids": np.array([i for d in documents for i in d], np.uint16),
        "lengths": np.array([len(d) for d in documents]),
        "index": 0,
        "epoch": 0,
    }
    return DataCollatorForCausalLM(tokenizer or Vocabulary(), sequence_length=length)([sample])


def test_the_pictured_example() -> None:
    batch = collate([10, 11, 12], [20, 21], length=6)
    assert batch["input_ids"].tolist() == [[10, 11, 12, 20, 21, 2]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0]]
    assert batch["labels"].tolist() == [[-100, 11, 12, -100, 21, -100]]
    assert set(batch) == {"input_ids", "position_ids", "labels"}  # a mask would switch the isolation off
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())


def test_eos_is_learnt_where_pad_is_eos() -> None:
    class PadIsEos(Vocabulary):
        pad_token_id = None

    batch = collate([10, 11, 1], length=6, tokenizer=PadIsEos())
    assert batch["input_ids"].tolist() == [[10, 11, 1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[-100, 11, 1, -100, -100, -100]]


def test_inputs_are_not_changed_and_empty_samples_do_not_crash() -> None:
    ids = np.array([5, 6, 7], np.uint16)
    ids.flags.writeable = False
    samples = [
        {"input_ids": ids, "lengths": np.array([3])},
        {"input_ids": ids[:0], "lengths": np.array([], np.int64)},
        {"input_ids": ids[:1]},
        {"input_ids": ids[:2], "lengths": np.array([0, 2])},
    ]
    batch = DataCollatorForCausalLM(Vocabulary(), sequence_length=4)(samples)
    assert ids.tolist() == [5, 6, 7]
    assert batch["labels"].tolist() == [[-100, 6, 7, -100], [-100] * 4, [-100] * 4, [-100, 6, -100, -100]]


def test_samples_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="9 tokens"):
        collate(list(range(9)))
    with pytest.raises(ValueError, match=r"3 tokens, but its lengths \[2\] add up to 2"):
        DataCollatorForCausalLM(Vocabulary(), sequence_length=8)([{"input_ids": [1, 2, 3], "lengths": [2]}])


def test_it_needs_no_special_tokens_and_takes_what_it_gives() -> None:
    collator = DataCollatorForCausalLM(Vocabulary(), sequence_length=512)
    assert collator.special_tokens() == [] and collator.raw_length(512) == 512


def test_it_works_in_the_trainer_of_transformers(make_tiny_model: Any, tmp_path: Any) -> None:
    from transformers import Trainer, TrainingArguments

    rows = [{"input_ids": list(range(3, 3 + n)), "lengths": [n]} for n in (5, 6, 7, 8)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=2, per_device_train_batch_size=2, remove_unused_columns=False,
        report_to=[], use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(
        model=make_tiny_model("llama"),
        args=arguments,
        train_dataset=rows,  # type: ignore[arg-type]
        data_collator=DataCollatorForCausalLM(Vocabulary(), sequence_length=16),
    )
    assert trainer.train().training_loss > 0


def test_rows_may_be_as_wide_as_the_longest_and_the_loss_is_the_same(make_tiny_model: Any) -> None:
    from pretraining.modeling.pretraining_model import PretrainingModel, fuses

    generator = np.random.default_rng(0)
    samples = [
        {"input_ids": generator.integers(3, 320, sum(lengths)), "lengths": np.array(lengths)}
        for lengths in ([5, 4], [9], [3])
    ]
    full = DataCollatorForCausalLM(Vocabulary(), sequence_length=48)(samples)
    narrow = DataCollatorForCausalLM(Vocabulary(), sequence_length=48, pad_to_multiple_of=8)(samples)
    assert full["input_ids"].shape == (3, 48) and narrow["input_ids"].shape == (3, 16)
    for key, tensor in narrow.items():
        assert torch.equal(tensor, full[key][:, :16]), key
    wider = DataCollatorForCausalLM(Vocabulary(), sequence_length=12, pad_to_multiple_of=8)(samples)
    assert wider["input_ids"].shape == (3, 12)  # never more than the sequence length
    model = make_tiny_model("llama")
    loss = PretrainingModel(model, fused=fuses(model))
    with torch.no_grad():
        torch.testing.assert_close(loss(**narrow)["loss"], loss(**full)["loss"], rtol=1e-6, atol=1e-5)


def test_empty_samples_make_rows_of_padding() -> None:
    collator = DataCollatorForCausalLM(Vocabulary(), sequence_length=16, pad_to_multiple_of=8)
    assert collator([{"input_ids": [], "index": 0}])["input_ids"].shape == (1, 8)
