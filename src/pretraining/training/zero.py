"""DeepSpeed ZeRO 1 and 2: what its engine does differently from the other modes.

The engine clips and steps by itself at the end of the last backward pass, and keeps float32 weights and optimizer
state in flat partitions. ``deepspeed.utils.safe_get_full_*`` assembles them by parameter, so checkpoints are the same
as everywhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pretraining.errors import TrainingError
from pretraining.training.tensors import named

if TYPE_CHECKING:
    from accelerate import Accelerator


def configure(accelerator: Accelerator, *, micro_batch_size: int, micro_batches: int, max_grad_norm: float) -> None:
    """Tell DeepSpeed what the recipe says; must come before ``accelerator.prepare``.

    The number of micro-batches is that of the first step. It may change: ``backward`` says which one is the last of its
    step, and scales the loss itself (measured with ZeRO 2, with and without offloading, for 1, then 2, then 1).

    Raises:
        TrainingError: ZeRO 3, whose weights are not whole in a forward pass of our loss.
    """
    plugin = accelerator.state.deepspeed_plugin
    if plugin.zero_stage > 2:
        raise TrainingError(
            f"the accelerate config asks for ZeRO {plugin.zero_stage}; the training loop supports ZeRO 1 and 2. "
            "accelerate_configs/fsdp2.yaml shards the weights too"
        )
    accelerator.gradient_accumulation_steps = micro_batches
    plugin.deepspeed_config.update(
        train_micro_batch_size_per_gpu=micro_batch_size,
        gradient_accumulation_steps=micro_batches,
        gradient_clipping=max_grad_norm,
    )


def backward(engine: Any, loss: torch.Tensor, *, last: bool) -> None:
    """Add to the gradients; in the ``last`` micro-batch of a step also reduce, clip and step."""
    engine.set_gradient_accumulation_boundary(is_boundary=last)
    engine.backward(loss, scale_wrt_gas=False)
    if last:
        engine.step()


def gather_zero(engine: Any, module: nn.Module, *, step: int, keep: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """``tensors.gather`` for a DeepSpeed engine; float32 weights whatever the precision of the forward pass."""
    from deepspeed.utils import safe_get_full_fp32_param, safe_get_full_optimizer_state

    if step:
        link_state(engine)
    weights: dict[str, Any] = {}
    states: dict[str, Any] = {}
    for name, parameter in named(module):
        whole = {name: safe_get_full_fp32_param(parameter)}
        entries = ("exp_avg", "exp_avg_sq") if step else ()
        moments = {f"{name}.{entry}": safe_get_full_optimizer_state(parameter, entry) for entry in entries}
        if keep:
            weights |= {key: value.detach().to("cpu", torch.float32, copy=True) for key, value in whole.items()}
            states |= {key: value.detach().to("cpu", copy=True) for key, value in moments.items()}
            states |= {f"{name}.step": torch.tensor(float(step))} if step else {}
    return weights, states


def link_state(engine: Any) -> None:
    """Let DeepSpeed find the optimizer state of every parameter.

    DeepSpeed 0.19.8 does this once, after the step of the first parameter group, when the state of the others does
    not exist yet.
    """
    engine.optimizer._hp_optimizer_states_linked = False
    engine.optimizer._lazy_init_hp_params_optimizer_state()


@torch.no_grad()
def scatter_zero(engine: Any, module: nn.Module, weights: dict[str, Any], states: dict[str, Any], *, step: int) -> None:
    """``tensors.scatter`` for a DeepSpeed engine."""
    from deepspeed.utils import safe_set_full_fp32_param, safe_set_full_optimizer_state

    zero = engine.optimizer
    for flat in zero.single_partition_of_fp32_groups:  # DeepSpeed makes this state in its first step only
        moments = {entry: torch.zeros_like(flat) for entry in ("exp_avg", "exp_avg_sq")}
        zero.optimizer.state[flat] = {"step": torch.tensor(float(step), device=flat.device)} | moments
    link_state(engine)
    for name, parameter in named(module):
        safe_set_full_fp32_param(parameter, weights[name].to(parameter.device))
        parameter.copy_(weights[name].to(parameter.device, parameter.dtype))
        for entry in ("exp_avg", "exp_avg_sq"):
            safe_set_full_optimizer_state(parameter, states[f"{name}.{entry}"].to(parameter.device), entry)
