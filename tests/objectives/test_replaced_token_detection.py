from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pretraining.objectives.replaced_token_detection import DataCollatorForReplacedTokenDetection
from pretraining.objectives.sections.masked import ReplacedTokenDetectionSection


class Vocabulary:
    """100 tokens, of which five are special."""

    pad_token_id, cls_token_id, sep_token_id, mask_token_id = 0, 2, 3, 4
    bos_token_id = eos_token_id = None
    all_special_ids = [0, 1, 2, 3, 4]

    def get_vocab(self) -> dict[str, int]:
        return {f"t{i}": i for i in range(100)}


def samples(count: int, length: int = 128) -> list[dict[str, Any]]:
    ids = np.random.default_rng(0).integers(5, 100, (count, length)).astype(np.uint16)
    ids[:, 0], ids[:, -1] = 2, 3
    return [{"input_ids": row, "lengths": [length], "index": i, "epoch": 0} for i, row in enumerate(ids)]


def test_the_generators_targets() -> None:
    rows = samples(400)
    collate = DataCollatorForReplacedTokenDetection(Vocabulary(), sequence_length=130, seed=3)
    batch = collate(rows)
    assert set(batch) == {"input_ids", "labels", "position_ids", "document_ids", "draws"}
    draws = batch.pop("draws")
    assert draws.shape == batch["labels"].shape and draws.min() >= 0 and draws.max() <= 1
    assert torch.equal(collate(rows[7:9])["draws"], draws[7:9])
    chosen = batch["labels"] != -100
    assert chosen.sum(1).unique().tolist() == [round(0.15 * 126)]  # 15 %, where ELECTRA has 14.2
    original = torch.where(chosen, batch["labels"], batch["input_ids"])
    assert original[:, :128].tolist() == [row["input_ids"].tolist() for row in rows]
    assert (batch["document_ids"] > 0).sum(1).unique().tolist() == [128]
    hidden = batch["input_ids"][chosen] == 4
    assert abs(hidden.float().mean() - 0.85) < 4 * math.sqrt(0.85 * 0.15 / int(chosen.sum()))
    assert (batch["input_ids"][chosen][~hidden] == batch["labels"][chosen][~hidden]).all()  # none is random


def test_its_parameters() -> None:
    collate = DataCollatorForReplacedTokenDetection(
        Vocabulary(), sequence_length=128, mask_prob=0.25, mask_replace_prob=1.0, exact=False
    )
    batch = collate(samples(400))
    chosen = batch["labels"] != -100
    trials = 400 * 126
    assert abs(int(chosen.sum()) / trials - 0.25) < 4 * math.sqrt(0.25 * 0.75 / trials)
    assert len(chosen.sum(1).unique()) > 10 and (batch["input_ids"][chosen] == 4).all()


def test_the_section_keeps_the_generator_to_itself() -> None:
    section = ReplacedTokenDetectionSection(mask_prob=0.25, embedding_sharing="gradient_disentangled")
    parameters = section.collator_parameters()
    assert parameters == {"mask_prob": 0.25, "mask_replace_prob": 0.85, "exact": True}
    assert DataCollatorForReplacedTokenDetection(Vocabulary(), sequence_length=8, **parameters).raw_length(64) == 64
    assert section.heads() == ("replaced_token_detection",) and section.token_roles() == ["mask_token"]
    assert (section.generator_weight, section.discriminator_weight, section.temperature) == (1.0, 50.0, 1.0)
    with pytest.raises(ValidationError, match="gradient_disentangled"):
        ReplacedTokenDetectionSection(embedding_sharing="tied")  # type: ignore[arg-type]


def test_empty_and_special_samples() -> None:
    collate = DataCollatorForReplacedTokenDetection(Vocabulary(), sequence_length=8, pad_to_multiple_of=4)
    batch = collate([{"input_ids": []}, {"input_ids": [2, 3]}, {"input_ids": [50]}])
    assert (batch["labels"] != -100).sum(1).tolist() == [0, 0, 1] and batch["labels"].shape == (3, 4)
    assert collate.special_tokens() == []
