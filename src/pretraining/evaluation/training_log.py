"""What was measured in training, for objectives of which the published folder holds only a part."""

from __future__ import annotations

import json

from pretraining.evaluation.figures import Figure, figure
from pretraining.evaluation.trained import Trained

LEFT_OUT = {
    "replaced_token_detection": "the generator",
    "contrastive": "the projection of the training",
    "masked_lm": "the head of the span boundary objective",
}
"""What the loss needs and the published folder does not have."""

MEANINGS = {
    "replaced_token_detection": {
        "replaced_found": ("replaced_found", "share of the replaced tokens that are found"),
        "detection_accuracy": (
            "detection_accuracy",
            "share of all tokens that are told right; most are original, so a model that finds nothing is near it too",
        ),
        "discriminator": ("discriminator_loss", "nats per token"),
        "sampled_masked_lm_accuracy": (
            "sampled_masked_lm_accuracy",
            "share of the masked tokens for which the generator proposes the original",
        ),
        "generator": ("generator_loss", "nats per masked token, of the generator as it is trained"),
        "loss": ("loss", "weighted sum of the two losses, as trained"),
    },
    "contrastive": {
        "retrieval_accuracy": ("retrieval_accuracy", "share of the held-out texts whose other view is nearest of all"),
        "loss": ("loss", "nats per text, with all held-out texts as the pool"),
    },
    "masked_lm": {
        "span_boundary": ("span_boundary_loss", "nats per token of a span, from the two tokens around the span"),
    },
}
"""What the values of a held-out line (without ``held_out_``) are called here, and what they are."""


def logged_figures(trained: Trained) -> tuple[list[Figure], str]:
    """The figures of the last held-out line of ``metrics.jsonl``, and where they come from; or why there are none."""
    kind = trained.objective.type
    missing = f"{LEFT_OUT[kind]} is not in the published folder"
    lines = [json.loads(line) for line in trained.metrics.read_text("utf-8").splitlines()]
    measured = [line for line in lines if "held_out_loss" in line]
    if not measured:
        return [], f"{missing}, and nothing was measured in training: training.evaluate_every was not set while it ran"
    last = measured[-1]
    figures = [
        figure(name, last[f"held_out_{key}"], about)
        for key, (name, about) in MEANINGS[kind].items()
        if f"held_out_{key}" in last
    ]
    return figures, f"{missing}; measured in training, at step {last['step']:,} of {lines[-1]['step']:,}"
