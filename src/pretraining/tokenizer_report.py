"""``tokenizer/report.json`` and ``tokenizer/report.html``: what the tokenizer does to the corpus, beside others.

The corpus is read once: what was counted while the token store was written (``tokens/report.json``) is the report's
main part. Only the comparison encodes text again, a sample of it. The report is no input of any stage, so another
tokenizer beside this one makes nothing else run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pretraining.errors import DataError, ModelError
from pretraining.formats import count, number, percent
from pretraining.manifests import code_digest, digest, read_json, write_json, write_text
from pretraining.run import Run

if TYPE_CHECKING:
    from pretraining.modeling.config import ModelSection


def report_tokenizer(run: Run, say: Callable[[str], None]) -> None:
    """Write the report unless it is there, of the same inputs; then say what is in it.

    The stages ``tokenizer`` and ``tokens`` must be up to date.
    """
    folder = run.folder / "tokenizer"
    key = _fingerprint(run)
    report = read_json(folder / "report.json")
    if report is None or report.get("fingerprint") != key or not (folder / "report.html").is_file():
        from pretraining.tokenization.page import render_report

        report = {"fingerprint": key, **make_report(run)}
        write_text(folder / "report.html", render_report(report))
        write_json(folder / "report.json", report)
    for line in lines(report):
        say(f"{'':<10} {line}")
    say(f"{'report':<10} {folder / 'report.html'}")


def _fingerprint(run: Run) -> str:
    recipe = run.loaded.recipe
    outputs = [(read_json(run.folder / name / "manifest.json") or {}).get("output") for name in ("tokenizer", "tokens")]
    model = recipe.model.model_dump(mode="json")
    return digest([outputs, recipe.tokenizer.compare, model, recipe.objective.type, code_digest(("tokenization",))])


def make_report(run: Run) -> dict[str, Any]:
    """The report as plain data."""
    from transformers import AutoTokenizer

    recipe = run.loaded.recipe
    tokenizer = AutoTokenizer.from_pretrained(run.folder / "tokenizer", local_files_only=True)
    return {
        "name": recipe.name,
        "algorithm": recipe.tokenizer.algorithm,
        "corpus": read_json(run.folder / "tokens" / "report.json"),
        "sample": read_json(run.folder / "tokenizer" / "sample.json"),
        "embedding": embedding_share(recipe.model, recipe.objective, tokenizer),
        "comparison": _comparison(run, tokenizer),
    }


def _comparison(run: Run, tokenizer: Any) -> dict[str, Any]:
    from pretraining.tokenization.comparison import compare, compared_documents
    from pretraining.tokenization.others import load_other

    asked = run.loaded.recipe.tokenizer.compare
    if not asked:
        return {"asked": [], "missing": {}, "tokenizers": []}
    own = tokenizer.backend_tokenizer
    own.encode_special_tokens = True
    found, missing = {"this tokenizer": own}, {}
    for name in asked:
        try:
            found[name] = load_other(name, run.loaded.base)
        except DataError as error:  # the report is worth having without it
            run.warn(str(error))
            missing[name] = str(error)
    split, documents = compared_documents(run.folder / "corpus")
    size = sum(document.size for document in documents)
    facts = {"asked": asked, "missing": missing, "split": split, "documents": len(documents), "bytes": size}
    return {**facts, "tokenizers": compare(found, documents)}


def embedding_share(section: ModelSection, objective: Any, tokenizer: Any) -> dict[str, Any] | None:
    """Parameters of the model, and those of its input and output embeddings; None if it cannot be built.

    The model is built without memory for its weights (torch's device ``meta``).
    """
    import torch

    from pretraining.modeling.build import build_model
    from pretraining.modeling.carriers import head_for

    head = head_for(objective.heads(), section.architecture)
    if head is None:
        return None
    new = section.model_copy(update={"name_or_path": None})  # of the weights to start from the sizes are enough
    try:
        with torch.device("meta"):
            model = build_model(new, tokenizer, seed=0, head=head)
    except ModelError:  # training will say what is wrong
        return None
    parameters = sum(weight.numel() for weight in model.parameters())
    ends = [end.weight for end in (model.get_input_embeddings(), model.get_output_embeddings()) if end is not None]
    embedding = sum(weight.numel() for weight in {id(weight): weight for weight in ends}.values())
    return {
        "parameters": parameters,
        "embedding": embedding,
        "share": embedding / parameters,
        "tied": len(ends) > 1 and ends[0] is ends[1],
    }


def lines(report: dict[str, Any]) -> list[str]:
    """The report in a few lines of text."""
    corpus = report["corpus"]
    rows = {**corpus["sources"], **(corpus["languages"] if len(corpus["languages"]) > 1 else {})}
    found = [f"{name}: {_rates(figures)}" for name, figures in rows.items()]
    trip, embedding = corpus["round_trip"], report["embedding"]
    found.append(
        f"vocabulary: {percent(corpus['vocabulary_used'])} of {count(corpus['vocab_size'])} tokens used"
        + (f", embedding {percent(embedding['share'])} of the model's parameters" if embedding else "")
    )
    losses = ", ".join(f"{kind} {count(loss['documents'])}" for kind, loss in trip["losses"].items())
    back = f"{count(trip['lossless'])} of {count(trip['documents'])} documents come back unchanged"
    found.append(f"round trip: {back}" + (f"; of the others: {losses}" if losses else ""))
    beside = report["comparison"]["tokenizers"]
    return [*found, *(f"beside: {each['name']}: {_rates(each['all'])}" for each in beside)]


def _rates(figures: dict[str, Any]) -> str:
    words, characters = figures["tokens_per_word"], figures["tokens_per_character"]
    return ", ".join(
        [
            f"{number(figures['bytes_per_token'], 2)} bytes per token",
            *([f"{number(words, 2)} tokens per word"] if words is not None else []),
            *([f"{number(characters, 2)} tokens per character"] if characters is not None else []),
        ]
    )
