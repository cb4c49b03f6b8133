"""A transformers model and the loss of its objective as one module, so that DDP, FSDP2 and DeepSpeed wrap both.

The heads of transformers average by themselves, each in its own way. Here a loss is a sum over targets, one for every
term of the objective; who trains divides it by the targets of the *global* batch. So accumulation, micro-batch size,
padding and ranks do not change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from pretraining.modeling.families import Batch, hidden_states, is_causal, own_logits
from pretraining.modeling.heads import is_linear
from pretraining.modeling.loss import IGNORED, LossOptions, logits_nll, token_nll

Sums = dict[str, Tensor]


class PretrainingModel(nn.Module):
    """A model with a language-modeling head; the base of the models with other or further losses.

    ``forward(**batch)`` takes what a collator gave and returns the summed loss of each term, float32 scalars.

    Attributes:
        model: the transformers model that is published.
        weights: the factor of each term in the total loss.
    """

    weights: dict[str, float]
    whole_batch: ClassVar[bool] = False
    """Whether the loss of a sample depends on all samples of the global batch."""
    pooled: bool = False
    """Whether all terms are divided by the targets of all terms together."""

    def __init__(self, model: Any, *, options: LossOptions | None = None, fused: bool = True) -> None:
        super().__init__()
        self.model = model
        self.options = options or LossOptions()
        self.fused = fused
        self.weights = {"loss": 1.0}
        self._no_split_modules = getattr(model, "_no_split_modules", None)  # for accelerate's wrapping policy
        self.config = model.config

    def counts(self, batch: Batch) -> dict[str, int]:
        """Targets of each term in a batch: what the sums are to be divided by."""
        return {"loss": int((aligned_labels(self.model, batch) != IGNORED).sum())}

    def forward(self, **batch: Tensor) -> Sums:
        """See the class."""
        return {"loss": self.language_model_nll(self.model, batch)}

    def accuracies(self, batch: Batch) -> dict[str, tuple[int, int]]:
        """What else held-out rows are measured by: (right, all) under a name; nothing for a plain language model."""
        return {}

    def published(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The weights of ``model`` alone, from those of a checkpoint, by name."""
        own = {*self.model.state_dict(), *(name for name, _ in self.model.named_parameters())}
        return {name: weight for name, weight in weights.items() if name in own}

    def language_model_nll(self, model: Any, batch: Batch) -> Tensor:
        """Summed negative log-likelihood of the batch's labels, in nats."""
        targets = aligned_labels(model, batch)
        if not self.fused:
            return logits_nll(own_logits(model, batch), targets, self.options)
        return token_nll(model, hidden_states(model, batch), targets, self.options)


def aligned_labels(model: Any, batch: Batch) -> Tensor:
    """The targets beside the positions that predict them: int64 ``(B, S)``, -100 where there is none.

    Labels of causal heads are shifted here, as in transformers, unless the collator has done so (``shift_labels``).
    """
    if "shift_labels" in batch:
        return batch["shift_labels"]
    labels = batch["labels"]
    if is_causal(model) and "target_mapping" not in batch:
        return nn.functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
    return labels


def divisor(inner: PretrainingModel, counts: Mapping[str, float], term: str) -> float:
    """What the sum of a term is divided by in the total loss."""
    return max(1.0, sum(counts.values()) if inner.pooled else counts[term])


class ForTrainer(nn.Module):
    """A ``PretrainingModel`` as ``transformers.Trainer`` wants it: ``forward`` gives ``{"loss": ...}``.

    The trainer tells how many ``labels`` all micro-batches of a step have on all ranks (``num_items_in_batch``), so
    the loss of one term is that of our own loop, however a batch is cut. It counts nothing else: a micro-batch has
    the mean of every term over its own targets, in proportion to its share of the labels. So

    - further terms (detection, pairs, span boundaries) are exact where micro-batches have equally many targets of
      them for each label, as full rows have; else they are a weighted mean over the micro-batches;
    - where there are no ``labels`` (``multi_task``; ``blank_infilling``, whose labels are shifted already) it is the
      plain mean over the micro-batches, which is exact where they have equally many targets;
    - ``contrastive`` has the micro-batch as its pool: accumulation does not enlarge it, only our loop does that.

    Give the trainer ``remove_unused_columns=False`` and no ``label_names``: ``eval_loss`` comes for every objective,
    as the mean over batches. That of ``contrastive`` is without dropout, so its two views are equal. What the trainer
    saves are the weights of ``inner``; ``inner.model`` is the model of transformers, and ``inner.published`` picks its
    weights.
    """

    def __init__(self, inner: PretrainingModel) -> None:
        super().__init__()
        self.inner = inner
        self.config = inner.config
        # The trainer saves with safetensors, which refuses tied weights twice.
        self.register_state_dict_post_hook(_without_tied)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_nothing_tied_is_missing)  # type: ignore[no-untyped-call]

    def forward(
        self, num_items_in_batch: Tensor | int | None = None, return_loss: bool = True, **batch: Tensor
    ) -> dict[str, Tensor]:
        """The weighted sum of the terms' means, as this micro-batch's part of the step.

        ``return_loss`` changes nothing: by its name and default the trainer knows that there is a loss in evaluation
        too, whatever the batch's labels are called (``can_return_loss`` of transformers).
        """
        counts = self.inner.counts(batch)
        share: Any = 1.0
        if num_items_in_batch is not None:
            share = next(iter(counts.values())) / max(1, num_items_in_batch)
        sums = self.inner(**batch)
        total = sum(
            self.inner.weights[term] * value / divisor(self.inner, counts, term) for term, value in sums.items()
        )
        assert isinstance(total, Tensor)
        return {"loss": total * share}

    def tied(self) -> set[str]:
        """Further names of weights that have one already."""
        once = {name for name, _ in self.named_parameters()} | {name for name, _ in self.named_buffers()}
        return {name for name, _ in self.named_parameters(remove_duplicate=False)} - once


def _without_tied(module: Any, weights: dict[str, Any], prefix: str, _: Any) -> None:
    for name in module.tied():
        weights.pop(prefix + name, None)


def _nothing_tied_is_missing(module: Any, incompatible: Any) -> None:
    tied = module.tied()
    incompatible.missing_keys[:] = [name for name in incompatible.missing_keys if name not in tied]


@torch.no_grad()
def fuses(model: Any) -> bool:
    """Whether the model's logits are its last hidden states through the head's parts, without a cap or a scale.

    Measured on a few tokens instead of kept as a list. Where it is not so, the model makes its own logits.
    """
    training, device = model.training, next(model.parameters()).device
    ids = torch.arange(8, device=device)[None] % model.config.vocab_size
    batch = {"input_ids": ids, "position_ids": torch.arange(8, device=device)[None]}
    one = torch.ones_like(ids)
    if model.config.is_encoder_decoder:
        batch |= {"document_ids": one, "decoder_input_ids": ids, "decoder_document_ids": one}
    model.eval()
    try:
        return is_linear(model, hidden_states(model, batch), own_logits(model, batch))
    finally:
        model.train(training)
