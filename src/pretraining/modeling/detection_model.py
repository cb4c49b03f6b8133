"""Replaced-token detection: a small generator proposes tokens, the model tells which are not the original (ELECTRA).

Clark et al. 2020 (arXiv 2003.10555). Three things differ from a plain sum of two losses:

- the generator's proposals are sampled, so no gradient of the discriminator reaches it; with ``adversarial`` it is
  trained by REINFORCE to fool the discriminator instead (appendix F), which the paper found to be worse;
- the embeddings are shared and saved once;
- or shared as in DeBERTa-v3 (He et al. 2021, arXiv 2111.09543): the discriminator reads ``stop_gradient(E) + D``, so
  that its loss does not pull at the generator's embeddings ``E``; ``D`` starts at zero.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pretraining.modeling.families import Batch, hidden_states
from pretraining.modeling.heads import logits
from pretraining.modeling.loss import IGNORED, LOGITS, LossOptions, token_nll
from pretraining.modeling.pretraining_model import PretrainingModel, Sums


class ReplacedTokenDetectionModel(PretrainingModel):
    """Generator and discriminator; the discriminator is the model that is published.

    Args:
        model: the discriminator: a transformers model with one logit a token.
        generator: a masked language model with embeddings of the same size.
        disentangled: share the embeddings as DeBERTa-v3 does.
        adversarial: train the generator by REINFORCE on the discriminator's loss; the term ``baseline`` is then that
            of a guess at this loss, which is subtracted from it.
        temperature: of the proposals.
    """

    def __init__(
        self,
        model: Any,
        generator: Any,
        *,
        generator_weight: float = 1.0,
        discriminator_weight: float = 50.0,
        disentangled: bool = False,
        adversarial: bool = False,
        temperature: float = 1.0,
        options: LossOptions | None = None,
    ) -> None:
        super().__init__(model, options=options)
        self.weights = {"generator": generator_weight, "discriminator": discriminator_weight}
        self.temperature = temperature
        self.baseline: nn.Linear | None = None
        if adversarial:
            self.weights["baseline"] = 1.0
            self.baseline = nn.Linear(generator.config.hidden_size, 1, bias=False)
            nn.init.zeros_(self.baseline.weight)
        share_embeddings(model, generator, disentangled=disentangled)
        self.generator = generator

    def counts(self, batch: Batch) -> dict[str, int]:
        """Masked tokens, and tokens that are no padding."""
        masked, real = int((batch["labels"] != IGNORED).sum()), int((batch["document_ids"] > 0).sum())
        found = {"generator": masked, "discriminator": real, "baseline": masked}
        return {term: found[term] for term in self.weights}

    def forward(self, **batch: Tensor) -> Sums:
        """Summed losses: nats per masked token and per token."""
        states = hidden_states(self.generator, batch)
        masked, real = batch["labels"] != IGNORED, batch["document_ids"] > 0
        inputs, replaced = self.corrupted(batch, states)
        own = detection_logits(self.model, {**batch, "input_ids": inputs})
        each = F.binary_cross_entropy_with_logits(own, replaced.float(), reduction="none")
        sums = {"discriminator": (each * real).sum()}
        if self.baseline is None:
            return sums | {"generator": token_nll(self.generator, states, batch["labels"], self.options)}
        return sums | self._policy_gradient(self.baseline, states[masked], inputs[masked], each.detach()[masked])

    def _policy_gradient(self, baseline: nn.Linear, states: Tensor, chosen: Tensor, rewards: Tensor) -> Sums:
        """REINFORCE on the rewards ``(n,)``, less what was to be expected of the masked text (appendix F).

        The expectation is ``-log sigmoid(w h)``, so ``sigmoid(w h)`` is fitted to the probability that the
        discriminator is right.
        """
        guess = baseline(states.detach())[:, 0].float()
        advantage = rewards + F.logsigmoid(guess.detach())
        scores = F.log_softmax(logits(self.generator, states).float() / self.temperature, dim=-1)
        chances = scores.gather(-1, chosen[:, None])[:, 0]
        fit = F.binary_cross_entropy_with_logits(guess, (-rewards).exp(), reduction="sum")
        return {"generator": -(advantage * chances).sum(), "baseline": fit}

    @torch.no_grad()
    def corrupted(self, batch: Batch, states: Tensor) -> tuple[Tensor, Tensor]:
        """The tokens with the generator's proposals, and which of them are not the original: ``(B, S)`` each.

        Args:
            states: last hidden states of the generator, ``(B, S, width)``.
        """
        masked = batch["labels"] != IGNORED
        rows = max(1, LOGITS // self.generator.config.vocab_size)
        parts = zip(torch.split(states[masked], rows), torch.split(batch["draws"][masked], rows), strict=True)
        drawn = [sample(logits(self.generator, part).float() / self.temperature, draws) for part, draws in parts]
        inputs = batch["input_ids"].masked_scatter(masked, torch.cat(drawn))
        originals = batch["input_ids"].masked_scatter(masked, batch["labels"][masked])
        return inputs, inputs != originals

    @torch.no_grad()
    def accuracies(self, batch: Batch) -> dict[str, tuple[int, int]]:
        """Tokens that are told right; of the replaced ones, those that are found; masked ones proposed as they were.

        The last, ``sampled_masked_lm_accuracy`` in the reference, tells about any generator, adversarial or not.
        """
        inputs, replaced = self.corrupted(batch, hidden_states(self.generator, batch))
        said = detection_logits(self.model, {**batch, "input_ids": inputs}) > 0
        real, masked = batch["document_ids"] > 0, batch["labels"] != IGNORED
        return {
            "detection_accuracy": (int(((said == replaced) & real).sum()), int(real.sum())),
            "replaced_found": (int((said & replaced).sum()), int(replaced.sum())),
            "sampled_masked_lm_accuracy": (int((masked & ~replaced).sum()), int(masked.sum())),
        }

    def published(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The discriminator; embeddings that were shared as a difference are added up."""
        own = super().published(weights)
        table = self.model.get_input_embeddings()
        if isinstance(table, DisentangledEmbedding):
            name = next(name for name, parameter in self.model.named_parameters() if parameter is table.weight)
            own[name] = own[name] + weights[f"generator.{name}"]
        return own


class DisentangledEmbedding(nn.Embedding):
    """``stop_gradient(E) + D``: DeBERTa-v3's embedding of the discriminator; ``weight`` is ``D``, zero at first."""

    def __init__(self, shared: nn.Embedding) -> None:
        super().__init__(shared.num_embeddings, shared.embedding_dim)
        nn.init.zeros_(self.weight)
        self._shared = [shared]  # in a list, so that it is no part of this module

    def forward(self, ids: Tensor) -> Tensor:
        """``(..., width)``."""
        return F.embedding(ids, self._shared[0].weight.detach()) + super().forward(ids)


def share_embeddings(model: Any, generator: Any, *, disentangled: bool) -> None:
    """One table of embeddings for both; that of the discriminator ``model`` has the first weights."""
    own = model.get_input_embeddings()
    if disentangled:
        with torch.no_grad():
            generator.get_input_embeddings().weight.copy_(own.weight)
        model.set_input_embeddings(DisentangledEmbedding(generator.get_input_embeddings()))
        return
    if model.config.model_type == "electra":
        generator.base_model.embeddings = model.base_model.embeddings  # tokens and positions (section 3.2)
    else:
        generator.set_input_embeddings(own)  # DeBERTa projects and normalises inside its embeddings
    generator.tie_weights()


def detection_logits(model: Any, batch: Batch) -> Tensor:
    """One float32 logit a token, high where it is replaced: ``(B, S)``."""
    states = hidden_states(model, batch)
    if hasattr(model, "discriminator_predictions"):
        return model.discriminator_predictions(states).float()  # type: ignore[no-any-return]
    return model.classifier(states)[..., 0].float()  # type: ignore[no-any-return]


@torch.no_grad()
def sample(scores: Tensor, draws: Tensor) -> Tensor:
    """One token of each row of ``scores`` ``(n, vocabulary)``, by the draw in ``[0, 1)`` that belongs to it.

    The draw comes with the sample, so the proposal depends on no rank and no micro-batch. The first token whose
    cumulative probability exceeds the draw; in float64, because the float32 sum of a large vocabulary is not 1.
    """
    cumulative = scores.double().softmax(-1).cumsum(-1)
    token = torch.searchsorted(cumulative, draws.double()[:, None] * cumulative[:, -1:], right=True)[:, 0]
    return token.clamp_(max=scores.shape[-1] - 1)
