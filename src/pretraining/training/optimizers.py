"""Optimizers: AdamW, or Muon for the matrices of the layers with AdamW for the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pretraining.training.config import OptimizerSection


def make_optimizers(section: OptimizerSection, module: nn.Module) -> list[torch.optim.Optimizer]:
    """One optimizer (``adamw``), or two (``muon``: Muon first).

    Muon orthogonalises whole matrices, so it is refused where they are sharded (``check_muon``).
    Weight decay falls on matrices only, not on norms and biases. Every group carries ``peak``, its learning rate
    at the top of the schedule. AdamW is torch's fused one, in a single pass over memory.
    """
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    muon_names = _layer_matrices(module) if section.type == "muon" else set()
    rest = [(name, p) for name, p in named if name not in muon_names]
    embeddings = {id(p) for child in module.modules() if isinstance(child, nn.Embedding) for p in child.parameters()}
    matrices = [p for name, p in rest if _is_matrix(name, p)]
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in matrices if id(p) in embeddings],
            "weight_decay": section.weight_decay,
            "lr": section.embedding_learning_rate or section.learning_rate,
        },
        {"params": [p for p in matrices if id(p) not in embeddings], "weight_decay": section.weight_decay},
        {"params": [p for name, p in rest if not _is_matrix(name, p)], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=section.learning_rate,
        betas=(section.beta1, section.beta2),
        eps=section.epsilon,
        fused=True,
    )
    optimizers: list[torch.optim.Optimizer] = [adamw]
    if muon_names:
        muon = torch.optim.Muon(
            [p for name, p in named if name in muon_names],
            lr=section.muon_learning_rate or section.learning_rate,
            weight_decay=section.weight_decay,
            momentum=section.muon_momentum,
            nesterov=True,
            adjust_lr_fn="match_rms_adamw",  # Liu et al. 2025, arXiv 2502.16982: learning rates on AdamW's scale
        )
        optimizers.insert(0, muon)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def _is_matrix(name: str, parameter: torch.Tensor) -> bool:
    """Whether it multiplies: XLNet's biases have two dimensions."""
    return parameter.ndim >= 2 and not name.endswith("bias")


def _layer_matrices(module: nn.Module) -> set[str]:
    """Names of the 2-D weights that are neither an embedding nor an output head (Jordan et al. 2024).

    A head with one or two outputs (detection, pairs) is told by its shape.
    """
    excluded: set[int] = set()
    for child in module.modules():
        if isinstance(child, nn.Embedding):
            excluded |= {id(p) for p in child.parameters()}
        head = getattr(child, "get_output_embeddings", lambda: None)()
        if head is not None:
            excluded |= {id(p) for p in head.parameters()}
    return {
        name
        for name, p in module.named_parameters()
        if p.ndim == 2 and _is_matrix(name, p) and min(p.shape) > 2 and id(p) not in excluded
    }


def set_learning_rate(optimizers: list[Any], factor: float) -> float:
    """Set every group to ``factor`` times its peak; returns AdamW's learning rate, the one that is logged."""
    rate = 0.0
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
            rate = group["lr"]  # the last group of AdamW, which comes last, has the plain learning rate
    return rate
