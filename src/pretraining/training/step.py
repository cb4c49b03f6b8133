"""One optimizer step: the losses of the micro-batches, divided by the targets of the global batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.distributed.tensor import DTensor

from pretraining.modeling.pretraining_model import divisor
from pretraining.training.zero import backward

if TYPE_CHECKING:
    from pretraining.modeling.contrastive_model import ContrastiveModel
    from pretraining.training.setup import Setup

Batch = dict[str, torch.Tensor]
Counts = Mapping[str, float]


def update(setup: Setup, micro_batches: list[Batch], counts: Counts, step: int) -> tuple[dict[str, float], float]:
    """One optimizer step on the global batch.

    Summed losses are divided by the targets of the *global* batch and multiplied by the number of ranks, because
    DDP and FSDP average gradients over ranks: the result is the gradient of the global mean, for any split.

    Args:
        counts: targets of each term in the global batch.

    Returns:
        The mean of each term that has targets, with the weighted total under ``loss``; and the gradient norm before
        clipping.
    """
    accelerator, inner = setup.accelerator, setup.inner
    run = _with_all_negatives if inner.whole_batch else _accumulated
    sums = run(setup, micro_batches, counts, step)
    norm = accelerator.clip_grad_norm_(setup.module.parameters(), setup.job.training.max_grad_norm)
    norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
    gathered = accelerator.reduce(torch.stack([sums[term] for term in inner.weights]), "sum").tolist()
    if torch.isfinite(torch.as_tensor(float(norm))):
        for optimizer in setup.optimizers:
            optimizer.step()
    for optimizer in setup.optimizers:
        optimizer.zero_grad()
    return means(inner, dict(zip(inner.weights, gathered, strict=True)), counts), float(norm)


def means(inner: Any, sums: Counts, counts: Counts) -> dict[str, float]:
    """Each term that has targets by its own, and the total as it is trained, over these terms, under ``loss``."""
    total = sum(inner.weights[term] * value / divisor(inner, counts, term) for term, value in sums.items())
    return {term: value / counts[term] for term, value in sums.items() if counts[term]} | {"loss": total}


def _accumulated(setup: Setup, micro_batches: list[Batch], counts: Counts, step: int) -> dict[str, torch.Tensor]:
    accelerator, inner = setup.accelerator, setup.inner
    _seed(setup, step)
    sums = _zeros(setup)
    for batch, last in _on_device(setup, micro_batches):
        with setup.no_sync(last=last):
            with accelerator.autocast():
                found = setup.module(**batch)
            loss = sum(inner.weights[term] / divisor(inner, counts, term) * value for term, value in found.items())
            _backward(setup, loss * accelerator.num_processes, last=last)
        for term, value in found.items():
            sums[term] += value.detach()
    return sums


def _with_all_negatives(setup: Setup, micro_batches: list[Batch], counts: Counts, step: int) -> dict[str, torch.Tensor]:
    """Gradient caching (Gao et al. 2021, arXiv 2101.06983): embed everything, find the gradient at the embeddings of
    the global batch, and go through the micro-batches again with it, under the same dropout."""
    accelerator, inner = setup.accelerator, cast("ContrastiveModel", setup.inner)
    parts: list[torch.Tensor] = []
    with torch.no_grad():
        for number, (batch, _) in enumerate(_on_device(setup, micro_batches)):
            _seed(setup, step, number)
            with accelerator.autocast():
                parts.append(setup.module(vectors=True, **batch)["vectors"].float())
    own = torch.cat(parts).requires_grad_()
    everything = list(accelerator.gather(own.detach()).split(len(own)))
    everything[accelerator.process_index] = own
    loss = inner.pool_loss(torch.cat(everything))
    (slope,) = torch.autograd.grad(loss / divisor(inner, counts, "loss"), own)
    begin = 0
    for number, (batch, last) in enumerate(_on_device(setup, micro_batches)):
        _seed(setup, step, number)
        with setup.no_sync(last=last):
            with accelerator.autocast():
                vectors = setup.module(vectors=True, **batch)["vectors"].float()
            wanted = slope[begin : begin + len(vectors)]
            _backward(setup, (vectors * wanted).sum() * accelerator.num_processes, last=last)
        begin += len(vectors)
    return {"loss": loss.detach().double() / accelerator.num_processes}  # every rank has all of it


def _on_device(setup: Setup, micro_batches: list[Batch]) -> Iterator[tuple[Batch, bool]]:
    """Each micro-batch on the device, and whether it is the last."""
    device = setup.accelerator.device
    for number, micro_batch in enumerate(micro_batches):
        batch = {key: value.to(device, non_blocking=True) for key, value in micro_batch.items()}
        yield batch, number == len(micro_batches) - 1


def _seed(setup: Setup, step: int, *more: int) -> None:
    """Dropout depends on the step and the rank alone, so a resumed run draws what the uninterrupted one drew."""
    torch.manual_seed(hash((setup.job.seed, step, setup.accelerator.process_index, *more)) & (2**63 - 1))


def _zeros(setup: Setup) -> dict[str, torch.Tensor]:
    device = setup.accelerator.device
    return {term: torch.zeros((), dtype=torch.float64, device=device) for term in setup.inner.weights}


def _backward(setup: Setup, loss: Any, *, last: bool) -> None:
    if setup.zero:
        backward(setup.module, loss, last=last)
    else:
        setup.accelerator.backward(loss)
