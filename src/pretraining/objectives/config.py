"""The ``objective`` section: what the model learns to predict. Chosen by ``type``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.sections.causal import CausalLMSection
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.objectives.sections.fill_in_the_middle import FillInTheMiddleSection
from pretraining.objectives.sections.infilling import BlankInfillingSection, DenoisingSection
from pretraining.objectives.sections.masked import MaskedLMSection, ReplacedTokenDetectionSection
from pretraining.objectives.sections.pairs import SentencePairSection
from pretraining.objectives.sections.permutation import PermutationLMSection
from pretraining.objectives.sections.prefixes import PrefixLMSection
from pretraining.objectives.sections.spans import MixtureOfDenoisersSection, SpanCorruptionSection
from pretraining.section import Section

Kind = TypeVar("Kind", bound=Section)

SingleObjective = Annotated[
    CausalLMSection
    | PrefixLMSection
    | FillInTheMiddleSection
    | MaskedLMSection
    | SpanCorruptionSection
    | MixtureOfDenoisersSection
    | DenoisingSection
    | PermutationLMSection
    | BlankInfillingSection
    | ReplacedTokenDetectionSection
    | SentencePairSection
    | ContrastiveSection,
    Field(discriminator="type"),
]

MIXABLE = ("causal_lm", "masked_lm", "seq2seq_lm")
"""Heads on which several objectives can share a model: their loss is that of a vocabulary alone."""


class TaskSection(Section):
    """One of the objectives of ``multi_task``."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """What the log calls it."""
    objective: SingleObjective
    """The objective."""
    rate: float = Field(default=1.0, gt=0)
    """Share of the samples, in proportion to the other tasks' rates."""
    weight: float = Field(default=1.0, gt=0)
    """Factor of its mean loss in the total, with ``normalization: task``."""


class MultiTaskSection(ObjectiveBase):
    """A weighted mixture of objectives on one model (T5's multi-task training, GPT-BERT)."""

    type: Literal["multi_task"] = "multi_task"
    """``multi_task``: every sample by one of several objectives."""
    tasks: list[TaskSection] = Field(min_length=2)
    """The objectives."""
    normalization: Literal["task", "tokens"] = "task"
    """``task``: the weighted sum of every task's mean over its own targets; ``tokens``: one mean over the targets of
    all tasks, so that tasks count by their targets and weights are not looked at."""

    @model_validator(mode="after")
    def _share_a_head(self) -> MultiTaskSection:
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError(f"the tasks need names of their own, not {names}")
        if any(getattr(task.objective, "span_boundary", False) for task in self.tasks):
            raise ValueError("span_boundary needs a head of its own, which tasks do not share; leave it out")
        alone = [task for task in self.tasks if not set(task.objective.heads()) & set(MIXABLE)]
        if alone:
            raise ValueError(
                "only objectives whose loss is that of a vocabulary alone can share a model, which leaves out "
                + ", ".join(f"{task.name} ({task.objective.type})" for task in alone)
            )
        if not self.heads():
            raise ValueError(
                "the tasks have no kind of model in common: "
                + "; ".join(f"{task.name} needs {' or '.join(task.objective.heads())}" for task in self.tasks)
            )
        return self

    def special_tokens(self) -> list[str]:
        """Those of all tasks, each once."""
        return list(dict.fromkeys(token for task in self.tasks for token in task.objective.special_tokens()))

    def token_roles(self) -> list[str]:
        """Those of all tasks, each once."""
        return list(dict.fromkeys(role for task in self.tasks for role in task.objective.token_roles()))

    def raw_length(self, sequence_length: int) -> int:
        """The least of the tasks', so that every row fits every task."""
        return min(task.objective.raw_length(sequence_length) for task in self.tasks)

    def heads(self) -> tuple[str, ...]:
        """The kinds of models that all tasks can share."""
        shared = [set(task.objective.heads()) for task in self.tasks]
        return tuple(head for head in MIXABLE if all(head in heads for heads in shared))

    def weights(self) -> dict[str, float]:
        """Factor of each task's loss."""
        return {task.name: task.weight for task in self.tasks}


ObjectiveSection = Annotated[SingleObjective | MultiTaskSection, Field(discriminator="type")]
"""Any objective."""


def with_options(section: Kind, options: Mapping[str, Any]) -> Kind:
    """The objective of a stage: ``section`` with the options that ``batches.stages`` gives it.

    Raises:
        pydantic.ValidationError: an option is not one of the objective's; a rule of ``pretrain check`` says it before.
    """
    return type(section).model_validate({**section.model_dump(by_alias=True), **options})
