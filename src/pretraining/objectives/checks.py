"""The rules about the ``objective`` section that its schema does not say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from pretraining.batching.config import BatchesSection
from pretraining.errors import DataError
from pretraining.objectives.config import MultiTaskSection, with_options
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.sections.fill_in_the_middle import FIM_PLACES, FIM_SHORTEST, FillInTheMiddleSection
from pretraining.objectives.sections.pairs import FRAME_TOKENS
from pretraining.objectives.sections.spans import MixtureOfDenoisersSection, SpanCorruptionSection
from pretraining.section import Finding, Rule
from pretraining.tokenization.config import TokenizerSection
from pretraining.tokenization.pretrained import given_names, lacks
from pretraining.tokenization.saved import read_saved
from pretraining.tokenization.special import NO_END


def sentinels_suffice(objective: ObjectiveBase, batches: BatchesSection) -> Iterator[Finding]:
    """In every stage a row has at most as many spans as there are sentinels."""
    worst: dict[str, tuple[int, int, int]] = {}  # key -> spans, sentinels, places of the row
    for stage, length, section in _in_stages(objective, batches):
        for path, spans_section in _with_sentinels(section):
            key = f"{path}.extra_ids"
            options = batches.stages[stage].objective if batches.stages else {}
            where = f"batches.stages[{stage}].objective" if key.lstrip(".").split("[")[0] in options else "objective"
            found = spans_section.spans(length), spans_section.extra_ids, length
            if found[0] > found[1]:
                worst[where + key] = max(found, worst.get(where + key, found))
    for path, (spans, sentinels, length) in worst.items():
        yield Finding(
            path,
            f"rows of {length:,} tokens have up to {spans:,} spans, and there are {sentinels:,} sentinels for them",
            f"set it to {spans} or more, or use longer spans, less noise or a shorter batches.sequence_length",
        )


def _in_stages(objective: ObjectiveBase, batches: BatchesSection) -> Iterator[tuple[int, int, ObjectiveBase]]:
    """(stage, tokens of its rows, its objective); options that are not valid are passed over, as another rule's."""
    if not batches.stages:
        yield 0, batches.sequence_length, objective
    for number, stage in enumerate(batches.stages):
        try:
            section = with_options(objective, stage.objective)
        except ValidationError:
            continue
        yield number, stage.sequence_length or batches.sequence_length, section


def _with_sentinels(section: ObjectiveBase) -> Iterator[tuple[str, SpanCorruptionSection | MixtureOfDenoisersSection]]:
    """(path below ``objective``, objective) of what replaces spans by sentinels, tasks included."""
    if isinstance(section, SpanCorruptionSection | MixtureOfDenoisersSection):
        yield "", section
    elif isinstance(section, MultiTaskSection):
        for number, task in enumerate(section.tasks):
            yield from ((f".tasks[{number}].objective{path}", each) for path, each in _with_sentinels(task.objective))


def rows_hold_a_pair(objective: ObjectiveBase, batches: BatchesSection) -> Iterator[Finding]:
    """``sentence_pair`` has room for a token on each side, in every stage."""
    least = FRAME_TOKENS + 2
    if objective.type != "sentence_pair":
        return
    lengths = {"batches.sequence_length": batches.sequence_length}
    if batches.stages:
        own = {f"batches.stages[{n}].sequence_length": stage.sequence_length for n, stage in enumerate(batches.stages)}
        inherited = lengths if None in own.values() else {}
        lengths = {**inherited, **{path: length for path, length in own.items() if length is not None}}
    for path, length in lengths.items():
        if length < least:
            message = f"[CLS] A [SEP] B [SEP] has {least} tokens at least, and rows have {length}"
            yield Finding(path, message, f"set it to {least} or more; 128 and 512 are usual")


def rows_have_room_for_marks(objective: ObjectiveBase, batches: BatchesSection) -> Iterator[Finding]:
    """In every stage the rows of fill-in-the-middle hold more text than places left free."""
    told: set[str] = set()
    for stage, length, section in _in_stages(objective, batches):
        sections = [task.objective for task in section.tasks] if isinstance(section, MultiTaskSection) else [section]
        own = bool(batches.stages) and batches.stages[stage].sequence_length is not None
        path = f"batches.stages[{stage}].sequence_length" if own else "batches.sequence_length"
        if length < FIM_SHORTEST and path not in told and any(isinstance(s, FillInTheMiddleSection) for s in sections):
            told.add(path)
            yield Finding(
                path,
                f"fill_in_the_middle leaves {FIM_PLACES} tokens of a row free for its marks, and a row has {length:,}",
                f"set it to {FIM_SHORTEST} or more",
            )


def pretrained_tokenizer_suffices(
    tokenizer: TokenizerSection, objective: ObjectiveBase, batches: BatchesSection, base: Path
) -> Iterator[Finding]:
    """A local tokenizer can be read and has what recipe and objective need. Where its files leave that open, the stage
    that loads it tells."""
    folder = base / (tokenizer.name_or_path or "")
    if tokenizer.algorithm != "pretrained" or not tokenizer.name_or_path or not folder.is_dir():
        return
    try:
        saved = read_saved(folder)
    except DataError as error:
        fix = "restore it, or write a folder that `save_pretrained` has written"
        yield Finding("tokenizer.name_or_path", str(error), fix)
        return
    if saved is None:
        return
    sections = [section for _, _, section in _in_stages(objective, batches)]
    given = given_names(tokenizer, saved.named, [role for each in sections for role in each.token_roles()])
    needed = [*given.values(), *(token for each in sections for token in each.special_tokens())]
    lacking = lacks(tokenizer, saved.tokens, [*needed, *tokenizer.additional_special_tokens])
    if lacking:
        yield Finding("tokenizer.name_or_path", *lacking)
    if not {"eos_token", "sep_token"} & (saved.named | given).keys():
        yield Finding("tokenizer.eos_token", *NO_END)


RULES = [
    Rule(
        "rows_hold_a_pair",
        f"Rows of `sentence_pair` have {FRAME_TOKENS + 2} tokens or more, in every stage.",
        "A pair is two texts and three tokens around them; shorter rows are refused when training starts.",
        rows_hold_a_pair,
    ),
    Rule(
        "pretrained_tokenizer_suffices",
        "A pretrained tokenizer in a folder can be read, and has the tokens that recipe and objective need.",
        "It is loaded after the corpus is built. What its files do not tell is found then.",
        pretrained_tokenizer_suffices,
    ),
    Rule(
        "sentinels_suffice",
        "Objectives with sentinels have as many (`extra_ids`) as a row of any stage has spans.",
        "The tokenizer gets as many as are asked for; that they are too few would be found when training starts.",
        sentinels_suffice,
    ),
    Rule(
        "rows_have_room_for_marks",
        "Rows of `fill_in_the_middle` are long enough for its three marks beside the text.",
        "A document for which a row has no room is learnt as it is, so all of it would be plain causal LM.",
        rows_have_room_for_marks,
    ),
]
