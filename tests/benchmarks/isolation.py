"""Every family: how far a packed document is from itself alone, and a loss from itself in other micro-batches.

    python tests/benchmarks/isolation.py

Two tables over the tiny models of ``tests/modeling/families.py``, with weights large enough that a leak shows.

- *leak*: the largest change of other documents' logits in a row when one document is changed; *alone*: the largest
  difference between a document's logits in the row and in a row of its own; *own*: how far the changed document's
  logits moved, without which the other two would say nothing.
- *loss*, *gradient norm*: the largest relative difference between eight rows in one micro-batch, in eight, and in two
  of 3 and 5.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "modeling"))
from families import ATTENTION, DECODERS, SEQ2SEQ, SMALL, make
from test_families import DECODER_LENGTHS, LENGTHS, rows, states

from pretraining.modeling.carriers import isolates
from pretraining.modeling.loss import LossOptions
from pretraining.modeling.pretraining_model import PretrainingModel

OPTIONS = {"plain": LossOptions(), "z-loss, smoothing": LossOptions(z_loss=1e-3, label_smoothing=0.1)}


def isolation(family: str, attention: str, *, prefix: bool) -> tuple[float, float, float]:
    """leak, alone, own: differences of logits."""
    model, lengths = make(family, attention), DECODER_LENGTHS if family in SEQ2SEQ else LENGTHS
    packed = states(model, family, [0, 1, 2], prefix=prefix)
    moved = (packed - states(model, family, [0, 1, 2], prefix=prefix, changed=True)).abs()
    alone = torch.cat([states(model, family, [i], prefix=prefix) for i in range(3)])
    return (
        float(moved[lengths[0] :].max()),
        float((packed - alone).abs().max()),
        float(moved[: lengths[0]].max()),
    )


def invariance(family: str, options: LossOptions) -> tuple[float, float]:
    """Largest relative differences of the loss and of the gradient norm over three cuts into micro-batches."""
    model = make(family)
    module, batches = PretrainingModel(model, options=options), rows(family)
    targets = sum(module.counts(one)["loss"] for one in batches)
    found = []
    for cut in ([8], [1] * 8, [3, 5]):
        model.zero_grad()
        loss = 0.0
        for group in torch.arange(8).split(cut):
            joined = {key: torch.cat([batches[i][key] for i in group]) for key in batches[0]}
            part = module(**joined)["loss"] / targets
            part.backward()
            loss += float(part.detach())
        norms = [p.grad.norm() for p in model.parameters() if p.grad is not None]
        found.append((loss, float(torch.stack(norms).norm())))
    first = found[0]
    return tuple(max(abs(each[k] / first[k] - 1) for each in found[1:]) for k in (0, 1))  # type: ignore[return-value]


def main() -> None:
    print("| family | attention | mask | leak | alone | own |\n|---|---|---|--:|--:|--:|")
    for family, attention in ATTENTION:
        if not isolates(family.split()[0]):
            print(f"| {family} | {attention} | refused: packing none | | | |")
            continue
        for prefix in (False, True) if family in DECODERS else (False,):
            leak, alone, own = isolation(family, attention, prefix=prefix)
            kind = "prefix" if prefix else "causal" if family in DECODERS else "documents"
            print(f"| {family} | {attention} | {kind} | {leak:.1e} | {alone:.1e} | {own:.2f} |")
    print("\n| family | loss | gradient norm | loss, z-loss and smoothing | gradient norm |\n|---|--:|--:|--:|--:|")
    for family in SMALL:
        figures = [figure for options in OPTIONS.values() for figure in invariance(family, options)]
        print(f"| {family} | " + " | ".join(f"{figure:.0e}" for figure in figures) + " |")


if __name__ == "__main__":
    main()
