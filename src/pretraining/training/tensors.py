"""Full tensors out of, and into, a model and its optimizers, whatever the parallel mode shards."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor

from pretraining.errors import CheckpointError


def full(tensor: torch.Tensor) -> torch.Tensor:
    """The whole tensor on the CPU; a collective where it is sharded, so every rank must call it."""
    whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return whole.detach().to("cpu", copy=True).contiguous()


def name_in_checkpoint(name: str) -> str:
    """The published model's parameters have the names that transformers gives them; helpers beside it their own."""
    return name.removeprefix("model.")


def named(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters by their names in a checkpoint; tied ones once."""
    return [(name_in_checkpoint(name), parameter) for name, parameter in module.named_parameters()]


def gather(module: nn.Module, optimizers: list[Any], *, keep: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights by name, and optimizer state by ``<parameter>.<entry>`` (``exp_avg``, ``momentum_buffer``, ``step``).

    Tied weights appear once. Every rank calls this; only ranks with ``keep`` hold the result in memory.
    """
    weights: dict[str, Any] = {}
    states: dict[str, Any] = {}
    for name, tensor in [*named(module), *_persistent_buffers(module)]:
        whole = full(tensor)
        if keep:
            weights[name] = whole
    for optimizer in optimizers:
        for name, parameter in named(module):
            for entry, tensor in optimizer.state.get(parameter, {}).items():
                whole = full(tensor)
                if keep:
                    states[f"{name}.{entry}"] = whole
    return weights, states


@torch.no_grad()
def scatter(module: nn.Module, optimizers: list[Any], weights: dict[str, Any], states: dict[str, Any]) -> None:
    """Put what ``gather`` gave back into place, sharded as the module is now.

    Raises:
        CheckpointError: a name is missing or too many, or a shape differs.
    """
    targets = dict([*named(module), *_persistent_buffers(module)])
    if targets.keys() != weights.keys():
        raise CheckpointError(f"the checkpoint's weights differ in {sorted(targets.keys() ^ weights.keys())[:5]}")
    for name, target in targets.items():
        if target.shape != weights[name].shape:
            raise CheckpointError(
                f"{name} is {tuple(weights[name].shape)} in the checkpoint, {tuple(target.shape)} here"
            )
        target.copy_(_like(weights[name], target))
    left = dict(states)
    for optimizer in optimizers:
        owned = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, parameter in named(module):
            if id(parameter) not in owned:
                continue
            for key in [k for k in left if k.rpartition(".")[0] == name]:
                optimizer.state[parameter][key.rpartition(".")[2]] = _like(left.pop(key), parameter)
    if left:
        raise CheckpointError(f"the checkpoint has optimizer state for unknown parameters: {sorted(left)[:5]}")


def _like(whole: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """``whole`` on the device of ``target``, sharded as it is if it has its shape (a step count has not)."""
    moved = whole.to(target.device)
    if isinstance(target, DTensor) and whole.shape == target.shape:
        return distribute_tensor(moved, target.device_mesh, target.placements)
    return moved


def _persistent_buffers(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    saved = module.state_dict().keys()
    return [(name_in_checkpoint(name), buffer) for name, buffer in module.named_buffers() if name in saved]
