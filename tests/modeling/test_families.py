"""Every family: a packed document is what it is alone, on every attention implementation that the family has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pretraining.errors import ModelError
from pretraining.modeling import heads
from pretraining.modeling.carriers import isolates
from pretraining.modeling.families import hidden_states
from pretraining.modeling.loss import LossOptions
from pretraining.modeling.pretraining_model import PretrainingModel, fuses

sys.path.insert(0, str(Path(__file__).parent))
from families import ATTENTION, DECODERS, ENCODERS, SEQ2SEQ, SMALL, VOCABULARY, batch, make

LENGTHS, DECODER_LENGTHS, PREFIXES = (5, 9, 7), (3, 6, 4), [2, 3, 4]


def draw(lengths: tuple[int, ...], seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, VOCABULARY, (length,), generator=generator) for length in lengths]


DOCUMENTS, TARGETS = draw(LENGTHS, 0), draw(DECODER_LENGTHS, 1)
PACKING = [(family, attention) for family, attention in ATTENTION if isolates(family.split()[0])]


@torch.no_grad()
def states(model: Any, family: str, documents: list[int], *, prefix: bool, changed: bool = False) -> torch.Tensor:
    """Logits of some of the documents in one row."""
    chosen = [DOCUMENTS[i] for i in documents]
    if changed:
        chosen = [(chosen[0] + 1) % VOCABULARY, *chosen[1:]]
    made = batch(
        chosen,
        decoder=[TARGETS[i] for i in documents] if family in SEQ2SEQ else None,
        prefixes=[PREFIXES[i] for i in documents] if prefix else None,
    )
    if family in DECODERS and not prefix:
        del made["document_ids"]  # what the causal collators give: positions alone
    return heads.logits(model, hidden_states(model, made)[0])


def check_isolation(family: str, attention: str, *, prefix: bool) -> None:
    model, lengths = make(family, attention), DECODER_LENGTHS if family in SEQ2SEQ else LENGTHS
    packed = states(model, family, [0, 1, 2], prefix=prefix)
    moved = (packed - states(model, family, [0, 1, 2], prefix=prefix, changed=True)).abs()
    assert moved[lengths[0] :].max() == 0
    assert moved[: lengths[0]].max() > 0.1
    alone = torch.cat([states(model, family, [i], prefix=prefix) for i in range(3)])
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("family", "attention"), PACKING)
def test_a_packed_document_is_what_it_is_alone(family: str, attention: str) -> None:
    check_isolation(family, attention, prefix=False)


@pytest.mark.parametrize(("family", "attention"), [pair for pair in PACKING if pair[0] in DECODERS])
def test_with_a_bidirectional_prefix_too(family: str, attention: str) -> None:
    check_isolation(family, attention, prefix=True)


@torch.no_grad()
@pytest.mark.parametrize("family", DECODERS)
def test_a_prefix_sees_itself_and_nobody_sees_what_comes_later(family: str) -> None:
    model = make(family)
    made = batch([DOCUMENTS[1]], prefixes=[4])
    before = hidden_states(model, made)[0]
    moved = torch.zeros(9, 9, dtype=torch.bool)
    for place in range(9):
        ids = made["input_ids"].clone()
        ids[0, place] = (ids[0, place] + 1) % VOCABULARY
        moved[:, place] = (hidden_states(model, {**made, "input_ids": ids})[0] - before).abs().amax(-1) > 0
    order = torch.arange(9)
    allowed = (order[:, None] >= order[None]) | (order[None] < 4)
    if "sliding_window" not in SMALL[family]:
        assert torch.equal(moved, allowed)
    assert not (moved & ~allowed).any()


@torch.no_grad()
@pytest.mark.parametrize("family", SMALL)
def test_alone_it_is_what_transformers_computes(family: str) -> None:
    """Our masks, windows, positions and heads against the model's own ``forward`` on one plain sequence."""
    model, ids = make(family), DOCUMENTS[1][None]
    inputs: dict[str, Any] = {"input_ids": ids}
    if family in SEQ2SEQ:
        inputs["decoder_input_ids"] = TARGETS[1][None]
    if family in ENCODERS:
        inputs["attention_mask"] = torch.ones_like(ids)
    own = model(**inputs).logits[0]
    torch.testing.assert_close(states(model, family, [1], prefix=False), own, atol=1e-5, rtol=1e-5)
    assert fuses(model)


def test_bart_refuses_packed_rows() -> None:
    with pytest.raises(ModelError, match=r"bart numbers positions from the beginning .* batches.packing: none"):
        states(make("bart"), "bart", [0, 1], prefix=False)


def rows(family: str) -> list[dict[str, torch.Tensor]]:
    """Eight rows of uneven documents with uneven numbers of targets, padded to one width."""
    generator = torch.Generator().manual_seed(3)
    made = []
    for _ in range(8):
        sizes = torch.randint(2, 9, (1 if family == "bart" else 3,), generator=generator).tolist()
        documents = draw(tuple(sizes), int(torch.randint(99, (), generator=generator)))
        one = batch(documents, decoder=documents if family in SEQ2SEQ else None)
        ids = one["input_ids"]
        share = 0.3 if family in ENCODERS else 0.9
        one["labels"] = torch.where(torch.rand(ids.shape, generator=generator) < share, ids, -100)
        if family in DECODERS:
            del one["document_ids"]
        made.append(
            {
                key: torch.nn.functional.pad(v, (0, 27 - v.shape[1]), value=-100 if key == "labels" else 0)
                for key, v in one.items()
            }
        )
    return made


@pytest.mark.parametrize(
    "options", [LossOptions(), LossOptions(z_loss=1e-3, label_smoothing=0.1)], ids=["plain", "more"]
)
@pytest.mark.parametrize("family", SMALL)
def test_the_loss_does_not_depend_on_the_micro_batches(family: str, options: LossOptions) -> None:
    model = make(family)
    module, batches = PretrainingModel(model, options=options), rows(family)
    targets = sum(module.counts(one)["loss"] for one in batches)

    def total(groups: list[list[dict[str, torch.Tensor]]]) -> tuple[float, float]:
        model.zero_grad()
        loss = 0.0
        for group in groups:
            joined = {key: torch.cat([one[key] for one in group]) for key in group[0]}
            part = module(**joined)["loss"] / targets
            part.backward()
            loss += float(part)
        norms = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None])
        return loss, float(norms.norm())

    whole = total([batches])
    assert total([[one] for one in batches]) == pytest.approx(whole, rel=1e-6)
    assert total([batches[:3], batches[3:]]) == pytest.approx(whole, rel=1e-6)


def test_a_batch_without_targets_has_no_loss_and_keeps_gradients() -> None:
    model = make("bert")
    one = rows("bert")[0]
    one["labels"] = torch.full_like(one["labels"], -100)
    loss = PretrainingModel(model)(**one)["loss"]
    loss.backward()
    assert float(loss) == 0.0
    assert all(p.grad is not None for p in model.bert.encoder.parameters())
