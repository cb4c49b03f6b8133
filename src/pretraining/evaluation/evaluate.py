"""The evaluation stage: everything that is measured on the finished model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretraining.evaluation.config import EvaluationSection
from pretraining.evaluation.trained import Trained

if TYPE_CHECKING:
    from pretraining.evaluation.figures import Figure

Results = dict[str, Any]

MASKED = ("masked_lm", "pair")
"""Heads of models that fill in masked tokens."""
IN_PART = ("replaced_token_detection", "encoder")
"""Heads of models that are published without what their objective needs."""


def evaluate_model(
    section: EvaluationSection,
    trained: Trained,
    *,
    model_folder: Path,
    corpus_folder: Path,
    output: Path,
    progress: bool = True,
) -> Results:
    """Measure the model of ``model_folder`` on the held-out documents of ``corpus_folder``.

    Args:
        section: the ``evaluation`` section.
        trained: what the model was trained for.
        output: folder that ``results.json`` is written to.
        progress: show progress bars on stderr.

    Returns:
        What ``results.json`` holds: ``held_out``, ``yardsticks`` and ``samples``. For a causal model ``held_out`` has
        bits per byte and perplexities; for any other, and for the objective's own loss, ``figures``.

    Raises:
        DataError: there is no model, or no held-out text.
    """
    from pretraining.evaluation.documents import held_out_texts
    from pretraining.evaluation.loading import load
    from pretraining.modeling.carriers import head_for

    texts = held_out_texts(corpus_folder)
    model, tokenizer = load(model_folder)
    head = str(head_for(trained.objective.heads(), model.config.model_type))
    results: Results = {"held_out": {}, "yardsticks": [], "samples": []}
    if head == "causal_lm":
        results = _left_to_right(
            section, trained, model, tokenizer, texts, corpus_folder=corpus_folder, progress=progress
        )
    else:
        about = {"documents": len(texts), "bytes": sum(len(text.encode()) for text in texts)}
        results["held_out"] = {"objective": trained.objective.type, **about}
    if trained.objective.type != "causal_lm":
        figures, note, samples = _own_figures(section, trained, model, tokenizer, head, progress=progress)
        results["held_out"] |= {"objective": trained.objective.type, "figures": figures, "note": note}
        results["samples"] += samples
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return results


def _left_to_right(
    section: EvaluationSection,
    trained: Trained,
    model: Any,
    tokenizer: Any,
    texts: list[str],
    *,
    corpus_folder: Path,
    progress: bool,
) -> Results:
    """The results of a causal model: every token from those before it."""
    from pretraining.evaluation import perplexity
    from pretraining.evaluation.documents import encode
    from pretraining.evaluation.samples import write_samples
    from pretraining.evaluation.yardsticks import yardsticks

    documents = encode(tokenizer, texts)
    window = section.window or trained.sequence_length
    stride = section.stride or max(1, window // 2)
    score = perplexity.score(
        model, documents, window=window, stride=stride, batch_size=section.batch_size, progress=progress
    )
    return {
        "held_out": _as_dict(score),
        "yardsticks": yardsticks(corpus_folder, texts, documents, tokenizer) if section.yardsticks else [],
        "samples": write_samples(model, tokenizer, section.samples),
    }


def _own_figures(
    section: EvaluationSection, trained: Trained, model: Any, tokenizer: Any, head: str, *, progress: bool
) -> tuple[list[Figure], str, list[dict[str, str]]]:
    """Figures of the objective itself, a note about them, and what a masked language model takes for some tokens."""
    from pretraining.evaluation.objective_loss import objective_figures
    from pretraining.evaluation.pseudo_perplexity import pseudo_perplexity
    from pretraining.evaluation.targets import Scorer
    from pretraining.evaluation.training_log import logged_figures

    size = section.batch_size
    if head in IN_PART:
        return (*logged_figures(trained), [])
    scorer, note = Scorer(model, fused=True if head == "pair" else None), ""
    samples: list[dict[str, str]] = []
    figures = objective_figures(scorer, tokenizer, trained, head, batch_size=size, progress=progress)
    if head == "causal_lm":
        note = f"scored from left to right, but trained with objective.type = {trained.objective.type}"
    if head in MASKED:
        count = section.pseudo_perplexity_tokens
        found, samples = pseudo_perplexity(scorer, tokenizer, trained, tokens=count, batch_size=size)
        figures += found
    if getattr(trained.objective, "span_boundary", False):
        found, note = logged_figures(trained)
        figures += found
    return figures, note, samples


def summary(results: Results) -> str:
    """One line about the results; of several tasks the losses alone."""
    held_out = results["held_out"]
    if "bits_per_byte" in held_out:
        said = f"{held_out['bits_per_byte']:.4f} bits per byte, token perplexity {held_out['token_perplexity']:.2f}"
    else:
        figures = (each for each in held_out["figures"] if each["value"] is not None)
        known = [each for each in figures if "/" not in each["name"] or each["name"].endswith("/loss")]
        said = ", ".join(f"{each['name'].replace('_', ' ')} {each['value']:.4f}" for each in known) or held_out["note"]
    return f"{said}, on {held_out['documents']:,} held-out documents"


def _as_dict(score: Any) -> dict[str, Any]:
    names = ("documents", "bytes", "words", "tokens", "nll")
    figures = ("bits_per_byte", "token_perplexity", "word_perplexity", "window", "stride")
    values = {name: getattr(score, name) for name in names + figures}
    # JSON has no infinity: a figure that no float holds (words of a language without spaces) is null.
    return {name: None if value == math.inf else value for name, value in values.items()}
