"""What cannot be put together is refused with the key and the cure."""

from __future__ import annotations

from typing import Any

import pytest

from pretraining.errors import ModelError
from pretraining.modeling.assemble import make_pretraining_model
from pretraining.modeling.config import ModelSection
from pretraining.modeling.loss import LossOptions
from pretraining.objectives.sections.contrastive import ContrastiveSection
from pretraining.objectives.sections.prefixes import PrefixLMSection


def refused(architecture: str, objective: Any, options: LossOptions | None = None) -> str:
    """The message; nothing is built before it, so there is no tokenizer."""
    with pytest.raises(ModelError) as caught:
        make_pretraining_model(ModelSection(architecture=architecture), objective, None, seed=0, options=options)
    return str(caught.value)


def test_the_form_that_the_architecture_can_learn_is_named() -> None:
    message = refused("t5", PrefixLMSection())
    assert message.startswith("objective.type = prefix_lm with form: decoder needs a causal decoder, which t5 is not; ")
    assert "set objective.form: encoder_decoder, or choose another architecture" in message
    assert "objective.form" not in refused("bert", PrefixLMSection())


def test_loss_options_where_they_are_not_defined() -> None:
    assert refused("bert", ContrastiveSection(), LossOptions(z_loss=1e-4)) == (
        "training.z_loss = 0.0001, training.label_smoothing = 0.0: neither is defined for objective.type = "
        "contrastive; set both to 0"
    )
