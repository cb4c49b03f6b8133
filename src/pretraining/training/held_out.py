"""The loss on held-out rows during training: the same rows every time, each token counted once."""

from __future__ import annotations

import contextlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from pretraining.batching.loader import held_out_samples
from pretraining.batching.supply import mixtures
from pretraining.errors import DataError
from pretraining.modeling.loss import LossOptions
from pretraining.tokenization.special import frame
from pretraining.tokenization.store import TokenStore
from pretraining.training.step import means

if TYPE_CHECKING:
    from accelerate import Accelerator

    from pretraining.batching.loader import HeldOutSamples
    from pretraining.batching.plan import Plan
    from pretraining.training.job import Job


class HeldOut:
    """Mean loss (nats per target) over ``rows`` packed held-out rows, spread over all of them, summed over ranks.

    Args:
        samples: the held-out rows of all documents.
        by_source: those of each source, where there are several or the mixture adapts.
        bytes_per_token: of the held-out text, to give bits per byte; None where not all tokens are targets.
    """

    def __init__(
        self,
        samples: HeldOutSamples,
        by_source: Mapping[str, HeldOutSamples],
        collator: Any,
        *,
        rows: int,
        micro_batch_size: int,
        bytes_per_token: float | None,
    ) -> None:
        self._samples, self._by_source, self._collator = samples, by_source, collator
        self._rows, self._micro = rows, micro_batch_size
        self._bytes_per_token = bytes_per_token

    def measure(self, accelerator: Accelerator, module: torch.nn.Module) -> dict[str, float]:
        """``held_out_loss``; its terms and accuracies where there are such; ``held_out_bits_per_byte`` for a model of
        all tokens."""
        losses, accuracies = self._means(self._samples, accelerator, module)
        figures = {"held_out_loss": losses.pop("loss")}
        figures |= {f"held_out_{name}": value for name, value in (losses | accuracies).items()}
        if self._bytes_per_token is not None:
            figures["held_out_bits_per_byte"] = figures["held_out_loss"] / math.log(2) / self._bytes_per_token
        return figures

    def measure_sources(self, accelerator: Accelerator, module: torch.nn.Module) -> dict[str, float]:
        """The loss of each source by its name."""
        return {name: self._means(samples, accelerator, module)[0]["loss"] for name, samples in self._by_source.items()}

    @torch.no_grad()
    def _means(
        self, samples: HeldOutSamples, accelerator: Accelerator, module: torch.nn.Module
    ) -> tuple[dict[str, float], dict[str, float]]:
        """The mean of every term and the weighted total, and shares that are right: the same numbers on all ranks.
        What has no target in these rows is absent.

        Every rank makes the same number of forward passes, because sharded modes communicate in each; a rank
        that has no rows left computes on the first one and counts nothing.
        """
        inner = accelerator.unwrap_model(module)
        with _measuring(module, inner):
            if inner.whole_batch:
                return self._of_one_pool(samples, accelerator, module, inner)
            sums: Counter[str] = Counter()
            for counted, batch in self._batches(samples, accelerator):
                found = _figures(module, inner, batch)
                sums.update(found if counted else dict.fromkeys(found, 0.0))
        names = sorted(sums)
        gathered = torch.tensor([sums[name] for name in names], dtype=torch.float64, device=accelerator.device)
        total = dict(zip(names, accelerator.reduce(gathered, "sum").tolist(), strict=True))
        terms = {term: total[f"sum {term}"] for term in inner.weights}
        losses = means(inner, terms, {term: total[f"count {term}"] for term in terms})
        rights = [name.removeprefix("right ") for name in names if name.startswith("right ")]
        if len(terms) == 1:
            losses = {"loss": losses["loss"]}
        return losses, {name: total[f"right {name}"] / total[f"all {name}"] for name in rights if total[f"all {name}"]}

    def _batches(
        self, samples: HeldOutSamples, accelerator: Accelerator
    ) -> Iterator[tuple[bool, dict[str, torch.Tensor]]]:
        """This rank's micro-batches, and whether they count: as many on every rank."""
        rows, per_pass = min(self._rows, samples.size), self._micro * accelerator.num_processes
        for first in range(0, rows, per_pass):
            mine = range(first + accelerator.process_index * self._micro, rows)[: self._micro]
            made = self._collator(samples.__getitems__([row * samples.size // rows for row in mine] or [0]))
            yield bool(mine), {key: value.to(accelerator.device) for key, value in made.items()}

    def _of_one_pool(
        self, samples: HeldOutSamples, accelerator: Accelerator, module: torch.nn.Module, inner: Any
    ) -> tuple[dict[str, float], dict[str, float]]:
        """As ``_means`` where every text is compared with all others, whatever micro-batch and rank they come in."""
        parts = []
        for counted, batch in self._batches(samples, accelerator):
            vectors = module(vectors=True, **batch)["vectors"]
            padded = vectors.new_zeros(2 * self._micro, vectors.shape[-1])  # of one shape on all ranks
            if counted:
                padded[: len(vectors)] = vectors
            gathered = accelerator.gather(padded)
            parts.append(gathered[gathered.any(dim=-1)])  # a unit vector is not all zero
        pool = torch.cat(parts)
        right, whole = inner.nearest(pool)
        return {"loss": float(inner.pool_loss(pool)) / whole}, {"retrieval_accuracy": right / whole}


def _figures(module: torch.nn.Module, inner: Any, batch: dict[str, torch.Tensor]) -> dict[str, float]:
    """Sums and counts of the terms, and what is right of what, as one flat map to be added up."""
    found = module(**batch)
    counts = inner.counts(batch)
    flat = {f"sum {term}": float(found[term]) if term in found else 0.0 for term in inner.weights}
    flat |= {f"count {term}": float(counts[term]) for term in inner.weights}
    for name, (right, whole) in inner.accuracies(batch).items():
        flat |= {f"right {name}": float(right), f"all {name}": float(whole)}
    return flat


@contextlib.contextmanager
def _measuring(module: torch.nn.Module, inner: Any) -> Iterator[None]:
    """The likelihood alone, without dropout; but where dropout is what makes two views of a text, with the same draws
    every time."""
    trained, inner.options = inner.options, LossOptions()
    try:
        if not inner.whole_batch:
            module.eval()
            yield
            module.train()
            return
        with torch.random.fork_rng():
            torch.manual_seed(0)
            yield
    finally:
        inner.options = trained


def make_held_out(job: Job, tokenizer: Any, plan: Plan, collator: Any) -> HeldOut | None:
    """The held-out rows, as long as those of the first stage; None where there are none or nobody asks for them.

    Raises:
        DataError: a mixture adapts to the loss of sources of which nothing is held out.
    """
    store, (_, length), packing = TokenStore(job.run / "tokens", "validation"), plan.lengths_of(0), job.batches.packing
    others = job.objective.needs_other_documents()
    sources = sorted({stream.source for stream in plan.streams if stream.source is not None})
    rows = {
        source: held_out_samples(store, length, packing=packing, source=source, others=others)
        for source in sources
        if source in store.sources
    }
    adapts = any(mixture.adapt for _, mixture in mixtures(job.batches))
    without = [source for source in sources if source not in rows or not rows[source].size]
    if adapts and without:
        raise DataError(
            f"the mixture adapts to the held-out loss of each source, but nothing is held out of {', '.join(without)}; "
            "raise corpus.held_out"
        )
    if not store.tokens or (job.training.evaluate_every is None and not adapts):
        return None
    by_source = {source: rows[source] for source in sources if source not in without}
    ledger = json.loads((job.run / "corpus" / "ledger.json").read_text("utf-8"))
    special = sum(token is not None for token in frame(tokenizer)) * len(store)  # they stand for no bytes
    per_token = ledger["splits"]["validation"]["bytes"] / max(1, store.tokens - special)
    return HeldOut(
        held_out_samples(store, length, packing=packing, others=others),
        by_source if adapts or len(sources) > 1 else {},
        collator,
        rows=job.training.evaluation_rows,
        micro_batch_size=job.training.micro_batch_size,
        bytes_per_token=per_token if job.objective.type == "causal_lm" else None,
    )
