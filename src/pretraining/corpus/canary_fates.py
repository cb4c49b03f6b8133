"""What must become of the canaries, given the steps of the recipe, and whether it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pretraining.corpus.canaries import CANARY, PERSONAL, Canary
from pretraining.corpus.step import NamedStep
from pretraining.errors import PretrainingError


class CanaryError(PretrainingError):
    """A known document met the wrong fate: a step does not do what the recipe says."""


@dataclass(frozen=True)
class Fate:
    """What became of a canary: its row of the ledger, and its text at the end (None if it was removed)."""

    canary: Canary
    row: dict[str, Any]
    text: str | None
    place: int
    """Number of the step that removed it; the number of all steps if none did."""


@dataclass(frozen=True)
class Expectation:
    """One thing that had to happen, and whether it did."""

    canary: str
    expected: str
    met: str
    ok: bool
    tested: bool
    """Whether the canary came as far as the step; an earlier one may have removed it."""


_COPIES = {"exact_copy", "near_copy"}
_INSIDE = {"sentence_deduplication", "line_deduplication", "substring_deduplication", "bloom_deduplication"}
"""Steps that look for repetitions inside documents too."""
_ONE_SIDED = {*_INSIDE, "augment", "concatenate"}
"""Steps that may edit a copy and not its original."""
_EDITORS = {"normalize", "privacy"}
"""Steps that must leave the canaries without personal data as they are."""


def expectations(
    steps: Sequence[NamedStep], canaries: Sequence[Canary], rows: Sequence[dict[str, Any]], texts: dict[str, str]
) -> list[Expectation]:
    """Everything that the recipe promises about the canaries.

    Args:
        steps: all steps, in order.
        rows: their rows of the ledger, in order.
        texts: text of those that were kept, by id.
    """
    places = {named.name: i for i, named in enumerate(steps)}
    fates = {
        canary.name: Fate(canary, row, texts.get(f"{CANARY}/{canary.name}"), places.get(row["step"], len(steps)))
        for canary, row in zip(canaries, rows, strict=True)
    }
    found = list(_never_a_copy(steps, fates))
    for i, named in enumerate(steps):
        rule = _BY_TYPE.get(named.step.section.type)
        if rule in (_exact, _minhash) and any(earlier.step.section.type in _ONE_SIDED for earlier in steps[:i]):
            continue  # the copies are no copies any more
        if rule is not None and named.name != "held_out":  # which has a section like minhash_deduplication's
            found += rule(i, named, fates)
    return [*found, *_unchanged(steps, fates)]


def require_fates(found: Sequence[Expectation]) -> list[dict[str, Any]]:
    """The expectations as plain data, for the ledger.

    Raises:
        CanaryError: with all that were not met.
    """
    wrong = [f"    {each.canary}: expected {each.expected}; {each.met}" for each in found if not each.ok]
    if wrong:
        raise CanaryError(
            "\n".join(
                [
                    "known documents (canaries) met the wrong fate:",
                    *wrong,
                    "    a step does not do what the recipe says; `corpus.canaries: false` builds without this check",
                ]
            )
        )
    return [asdict(each) for each in found]


def _concerns(named: NamedStep, canary: Canary) -> bool:
    languages = named.step.section.languages
    return languages is None or canary.language in languages


def _is(fate: Fate) -> str:
    row = fate.row
    return "it was kept" if fate.text is not None else f"it was removed by {row['step']} ({row['reason']})"


def _must_go(i: int, named: NamedStep, fate: Fate) -> Iterator[Expectation]:
    """Removed by this step, or before it."""
    if _concerns(named, fate.canary):
        expected = f"to be removed by {named.name}"
        yield Expectation(fate.canary.name, expected, _is(fate), fate.place <= i, fate.place >= i)


def _must_pass(i: int, named: NamedStep, fate: Fate, reason: str | None = None) -> Iterator[Expectation]:
    """Not removed by this step (for this reason)."""
    if _concerns(named, fate.canary):
        wrong = fate.place == i and reason in (None, fate.row["reason"])
        what = f"to pass {named.name}" + (f" ({reason})" if reason else "")
        yield Expectation(fate.canary.name, what, _is(fate), not wrong, fate.place >= i)


def _never_a_copy(steps: Sequence[NamedStep], fates: dict[str, Fate]) -> Iterator[Expectation]:
    for i, named in enumerate(steps):
        kind = named.step.section.type
        if kind.endswith("_deduplication") or named.name in ("identity", "held_out"):
            copies = {*_COPIES}
            if named.name == "held_out":
                copies.add("prose")  # a copy of it may be held out
            if kind in _INSIDE:
                copies.add("repeated")
            others = [fate for name, fate in fates.items() if name not in copies and _concerns(named, fate.canary)]
            wrong = [fate.canary.name for fate in others if fate.place == i]
            reached = [fate for fate in others if fate.place >= i]
            met = f"it removed {', '.join(wrong)}" if wrong else f"{len(reached)} did"
            yield Expectation("those that are no copies", f"to pass {named.name}", met, not wrong, bool(reached))


def _exact(i: int, named: NamedStep, fates: dict[str, Fate]) -> Iterator[Expectation]:
    copy = fates["exact_copy"]
    yield from _must_go(i, named, copy)
    if copy.place == i:
        twin = copy.row["duplicate_of"]
        expected = f"to be a copy of {CANARY}/prose"
        yield Expectation("exact_copy", expected, f"it is one of {twin}", twin == f"{CANARY}/prose", True)


def _minhash(i: int, named: NamedStep, fates: dict[str, Fate]) -> Iterator[Expectation]:
    section = named.step.section
    similarity = jaccard(fates["prose"].canary.text, fates["near_copy"].canary.text, section.ngram)
    chance = 1 - (1 - similarity**section.rows) ** section.bands
    if chance > 0.9999 and section.min_similarity < similarity - 0.2:
        yield from _must_go(i, named, fates["near_copy"])


def jaccard(a: str, b: str, n: int) -> float:
    """Share of the word n-grams of either text that both have; words as white space separates them."""
    first, second = (set(zip(*(words[i:] for i in range(n)), strict=False)) for words in (a.split(), b.split()))
    return len(first & second) / len(first | second)


def _gopher_quality(i: int, named: NamedStep, fates: dict[str, Fate]) -> Iterator[Expectation]:
    if (named.step.section.min_stop_words or 0) >= 1:
        yield from _must_go(i, named, fates["gibberish"])
    if named.step.section.words == "auto":
        yield from _must_pass(i, named, fates["chinese"], "unsegmented_script")


def _gopher_repetition(i: int, named: NamedStep, fates: dict[str, Fate]) -> Iterator[Expectation]:
    limit = named.step.section.max_duplicate_lines
    if limit is not None and limit < 0.95:
        yield from _must_go(i, named, fates["repeated"])
    if named.step.section.words == "auto":
        yield from _must_pass(i, named, fates["chinese"], "unsegmented_script")


def _language(i: int, named: NamedStep, fates: dict[str, Fate]) -> Iterator[Expectation]:
    for name, language in (("prose", "eng_Latn"), ("chinese", "cmn_Hani")):
        if language in named.step.section.accept:
            yield from _must_pass(i, named, fates[name], "other_language")
        else:
            yield from _must_go(i, named, fates[name])


def _privacy(i: int, named: NamedStep, fates: dict[str, Fate]) -> Iterator[Expectation]:
    section = named.step.section
    for fate in (fates["letters"], fates["receipts"]):
        planted = {type_: value for type_, value in PERSONAL.items() if value in fate.canary.text}
        if not _concerns(named, fate.canary):
            continue
        if section.max_replaced is None or section.max_replaced >= len(planted):
            yield from _must_pass(i, named, fate)
        for type_, value in planted.items():
            if type_ in section.types:
                gone = fate.text is None or value not in fate.text
                expected = f"to lose its {type_} in {named.name}"
                met = _is(fate) if fate.text is None else "it did" if gone else "it is still there"
                yield Expectation(fate.canary.name, expected, met, gone, fate.text is not None)


def _decontamination(i: int, named: NamedStep, fates: dict[str, Fate]) -> Iterator[Expectation]:
    for name, fate in fates.items():
        if name.startswith("benchmark_"):
            gone = fate.place <= i or (fate.text is not None and fate.text != fate.canary.text)
            yield Expectation(name, f"to be removed or cut by {named.name}", _is(fate), gone, fate.place >= i)
        elif name not in _COPIES:
            yield from _must_pass(i, named, fate)


_BY_TYPE: dict[str, Callable[[int, NamedStep, dict[str, Fate]], Iterator[Expectation]]] = {
    "exact_deduplication": _exact,
    "minhash_deduplication": _minhash,
    "gopher_quality": _gopher_quality,
    "gopher_repetition": _gopher_repetition,
    "language": _language,
    "privacy": _privacy,
    "decontamination": _decontamination,
}


def _unchanged(steps: Sequence[NamedStep], fates: dict[str, Fate]) -> Iterator[Expectation]:
    """Where nothing but repairs and replacements edits, text that needs neither comes out as it went in."""
    editing = {named.step.section.type for named in steps if named.step.edits}
    converts = any(getattr(named.step.section, "chinese", None) for named in steps)
    if not editing <= _EDITORS:
        return
    for name in ("prose", "latex", "code", "no_personal_data", *(() if converts else ("chinese",))):
        fate = fates[name]
        if fate.text is not None:
            same = fate.text.strip("\n") == fate.canary.text.strip("\n")
            met = "it did" if same else "it was changed"
            yield Expectation(name, "to come out as it went in", met, same, True)
