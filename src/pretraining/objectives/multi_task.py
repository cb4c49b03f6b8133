"""A weighted mixture of objectives: every sample is given to one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pretraining.objectives.draws import sample_keys, uniform

SEPARATOR = "/"
"""Between the name of a task and a key of its batch: ``span_corruption/input_ids``."""
_STREAM = 77


class DataCollatorForMultiTask:
    """Gives each sample to one of several data collators, drawn from (seed, epoch, index) (T5; GPT-BERT).

    The batch holds the tensors of every task under ``<task>/<key>``; a task that no sample of the batch was drawn for
    is not there.

    Args:
        collators: the tasks' collators by name.
        rates: share of the samples of each task; normalised.

    Raises:
        ValueError: the two name different tasks, a rate is negative or no number, or none is above 0.
    """

    def __init__(self, collators: Mapping[str, Any], rates: Mapping[str, float], *, seed: int = 0) -> None:
        self.collators, self.seed = dict(collators), seed
        self.names = list(self.collators)
        if rates.keys() != self.collators.keys() or not self.names:
            raise ValueError(f"rates are given for {sorted(rates)}, and there are the tasks {sorted(self.names)}")
        shares = np.array([rates[name] for name in self.names], float)
        if not (np.isfinite(shares).all() and (shares >= 0).all() and shares.any()):
            raise ValueError(f"rates = {dict(rates)}: each is a number from 0 on, and one of them above 0")
        self._bounds = np.cumsum(shares / shares.sum())

    def special_tokens(self) -> list[str]:
        """Those of all tasks, each once."""
        return list(dict.fromkeys(token for one in self.collators.values() for token in one.special_tokens()))

    def raw_length(self, sequence_length: int) -> int:
        """The least of the tasks', so that every row fits every task."""
        return int(min(one.raw_length(sequence_length) for one in self.collators.values()))

    def tasks(self, samples: Sequence[dict[str, Any]]) -> list[str]:
        """The task of each sample."""
        drawn = uniform(sample_keys(samples, self.seed), 1, stream=_STREAM)[:, 0]
        places = np.minimum(np.searchsorted(self._bounds, drawn, side="right"), len(self.names) - 1)
        return [self.names[place] for place in places]

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """The batches of the tasks side by side."""
        chosen = self.tasks(samples)
        made: dict[str, torch.Tensor] = {}
        for name, collator in self.collators.items():
            own = [sample for sample, task in zip(samples, chosen, strict=True) if task == name]
            if own:
                made |= {f"{name}{SEPARATOR}{key}": value for key, value in collator(own).items()}
        return made
