"""What the tests of the joint models share: tiny models from sections, and batches."""

from __future__ import annotations

from typing import Any

import torch

from pretraining.modeling.assemble import make_pretraining_model
from pretraining.modeling.config import ModelSection

Batch = dict[str, torch.Tensor]
ROWS, WIDTH = 4, 12
OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 8},
    "electra": {"embedding_size": 8},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
}


def make_module(tokenizer: Any, architecture: str, objective: Any, **keys: Any) -> Any:
    """The module that is trained: two layers of width 16, evaluating."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"max_position_embeddings": 32, "initializer_range": 0.3, **OWN.get(architecture, {}), **keys}
    section = ModelSection(architecture=architecture, attn_implementation="eager", **sizes)  # type: ignore[arg-type]
    return make_pretraining_model(section, objective, tokenizer, seed=0).eval()


def masked_batch(seed: int = 0) -> Batch:
    """Rows of one document, the last with padding; a quarter of the tokens are targets."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, 320, (ROWS, WIDTH), generator=generator)
    documents = torch.ones_like(ids)
    documents[-1, 9:] = 0
    chosen = (torch.rand(ids.shape, generator=generator) < 0.25) & (documents > 0)
    return {
        "input_ids": torch.where(chosen, 3, ids),
        "labels": torch.where(chosen, ids, -100),
        "position_ids": torch.arange(WIDTH).expand(ROWS, WIDTH).clone(),
        "document_ids": documents,
        "draws": torch.rand(ids.shape, generator=generator, dtype=torch.float64),
    }


def part(batch: Batch, rows: slice) -> Batch:
    return {key: value[rows] for key, value in batch.items()}


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Those that are not zero, by name; and nothing is left."""
    found = {n: p.grad for n, p in module.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    module.zero_grad()
    return found
