from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.errors import DataError
from pretraining.objectives.mixture_of_denoisers import DataCollatorForMixtureOfDenoisers
from pretraining.objectives.sections.spans import PRESETS, MixtureOfDenoisersSection, sentinels

Make = Callable[..., Any]
MODES = ["[NLU]", "[NLG]", "[S2S]"]
FORMS = ["encoder_decoder", "decoder"]


@pytest.fixture(scope="module")
def ul2(make_tokenizer: Make) -> Any:
    return make_tokenizer(*sentinels(100), *MODES)


def parts(batch: dict[str, Any], row: int, by_document: Make) -> list[tuple[list[int], list[int]]]:
    """Inputs and targets of every piece of a row."""
    batch = {key: tensor[row] for key, tensor in batch.items()}
    inputs = by_document(batch["input_ids"], batch["document_ids"])
    if "prefix_mask" not in batch:
        targets = by_document(batch["labels"], batch["decoder_document_ids"])
        return [(inputs.get(number, []), targets.get(number, [])) for number in range(1, 1 + max([*inputs, *targets]))]
    both = []
    masks, labels = (by_document(batch[key], batch["document_ids"]) for key in ("prefix_mask", "labels"))
    for number, ids in inputs.items():
        prefix = sum(masks[number])
        assert masks[number] == [True] * prefix + [False] * (len(ids) - prefix)
        assert labels[number] == [-100] * prefix + ids[prefix:]
        both.append((ids[:prefix], ids[prefix:]))
    return both


def restored(source: list[int], target: list[int], sentinel_ids: list[int]) -> list[int]:
    marks = [token for token in target if token in sentinel_ids]
    assert marks == [token for token in source if token in sentinel_ids] == sentinel_ids[: len(marks)]
    if not marks:
        return source + target
    found: dict[int, list[int]] = {}
    for token in target:
        found.update({token: []}) if token in marks else found[list(found)[-1]].append(token)
    return [part for token in source for part in found.get(token, [token])]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    form=st.sampled_from(FORMS),
    preset=st.sampled_from(["ul2", "ul2r"]),
    width=st.integers(16, 96),
    index=st.integers(0, 99),
)
def test_every_document_is_restored_whatever_denoiser_is_drawn(
    ul2: Any, pack: Make, by_document: Make, data: st.DataObject, form: str, preset: str, width: int, index: int
) -> None:
    collator = DataCollatorForMixtureOfDenoisers(ul2, sequence_length=width, form=form, denoisers=preset)
    left, pieces = collator.raw_length(width), []
    while left > 0 and len(pieces) < 5:
        pieces.append(list(range(10, 10 + data.draw(st.integers(min(left, 8), left)))))
        left -= len(pieces[-1])
    names, modes = collator.sentinel_ids.tolist(), ul2.convert_tokens_to_ids(MODES)
    found = parts(collator([pack(*pieces, index=index)]), 0, by_document)
    assert len(found) == len(pieces)
    seen = []
    for number, (piece, (source, target)) in enumerate(zip(pieces, found, strict=True), 1):
        if source[0] in modes:
            seen.append(source.pop(0))
        else:
            assert number > 1 and len(seen) < number  # the first piece always has its mode, then the next ones
        if number == len(pieces):
            assert target.pop() == 1
            assert form == "decoder" or source.pop() == 1
        if form == "decoder" and source[-1] in names and target:
            target.insert(0, source.pop())  # the first sentinel of the targets, which is given
        assert restored(source, target, names) == piece
    assert len(set(seen)) == 1


def test_a_row_is_full_or_padded_but_never_cut(ul2: Any, random_sample: Make) -> None:
    for form, raw in zip(FORMS, (510, 382), strict=True):
        collator = DataCollatorForMixtureOfDenoisers(ul2, sequence_length=512, form=form)
        assert collator.raw_length(512) == raw
        batch = collator([random_sample(raw, 1, index) for index in range(64)])
        used = (batch["document_ids"] > 0).sum(1)
        if form == "encoder_decoder":
            assert batch["labels"].shape == (64, 510)
            assert collator.section.spans(512) == 85
            both = used + (batch["decoder_document_ids"] > 0).sum(1)
            spans = sum((batch["input_ids"] == number).sum(1) for number in collator.sentinel_ids.tolist())
            # text, mode, two EOS, and every span's sentinel twice
            assert (both == raw + 3 + 2 * spans).all()
        else:
            sentinel = np.isin(batch["input_ids"].numpy(), collator.sentinel_ids).sum(1)
            assert (used.numpy() == raw + 2 + sentinel).all()
            assert used.max() == 512


def test_denoisers_are_drawn_at_their_rates(ul2: Any, random_sample: Make) -> None:
    collator = DataCollatorForMixtureOfDenoisers(ul2, sequence_length=32, denoisers="ul2r")
    sample = random_sample(collator.raw_length(32))
    batch = collator([{**sample, "index": index} for index in range(4000)])
    share = [(batch["input_ids"][:, 0] == mode).float().mean().item() for mode in ul2.convert_tokens_to_ids(MODES)]
    assert share == pytest.approx([0.25, 0.25, 0.5], abs=4 * 0.5 / 4000**0.5)
    assert [d.rate for d in PRESETS["ul2"]] == [1] * 7
    assert {(d.mode, d.type, d.noise_density, d.mean_span_length) for d in PRESETS["ul2"]} == {
        ("[NLU]", "span", 0.15, 3), ("[NLU]", "span", 0.15, 8), ("[S2S]", "prefix", 0.25, 3),
        ("[NLG]", "span", 0.5, 3), ("[NLG]", "span", 0.5, 8), ("[NLG]", "span", 0.15, 64), ("[NLG]", "span", 0.5, 64),
    }  # fmt: skip


def test_modes_of_further_documents_come_from_padding_or_from_spans(ul2: Any, pack: Make) -> None:
    tight = [{"mode": "[NLU]", "noise_density": 0.15, "mean_span_length": 3.0}]
    collator = DataCollatorForMixtureOfDenoisers(ul2, sequence_length=128, denoisers=tight)
    raw = collator.raw_length(128)
    noise, spans = 21, 7
    (mode,) = ul2.convert_tokens_to_ids(["[NLU]"])
    for pieces in (1, 2, 5):
        size = raw // pieces
        sizes = [size] * (pieces - 1) + [raw - size * (pieces - 1)]
        batch = collator([pack(*(list(range(10, 10 + n)) for n in sizes))])
        assert (batch["document_ids"] > 0).all()  # as full as with one
        assert (batch["input_ids"] == mode).sum() == pieces
        sentinel = np.isin(batch["labels"], collator.sentinel_ids).sum()
        assert sentinel == spans - (pieces - 1)
        assert (batch["decoder_document_ids"] > 0).sum() == noise + sentinel + 1


def test_denoisers_without_modes_or_spans(make_tokenizer: Make, random_sample: Make) -> None:
    plain = make_tokenizer()
    collator = DataCollatorForMixtureOfDenoisers(
        plain, sequence_length=32, denoisers=[{"type": "prefix", "noise_density": 0.5}], form="decoder"
    )
    assert (collator.raw_length(32), collator.special_tokens()) == (31, [])
    batch = collator([random_sample(31)])
    assert batch["input_ids"][0, -1] == 1
    assert (batch["document_ids"] == 1).all()


def test_what_is_wrong_is_said(make_tokenizer: Make) -> None:
    with pytest.raises(DataError, match=r"lacks 85 of the 85 tokens.*extra_ids at least 85"):
        DataCollatorForMixtureOfDenoisers(make_tokenizer(*MODES), sequence_length=512)
    with pytest.raises(
        DataError, match=r"lacks 1 of the 3 tokens.*'\[S2S\]' first; train the tokenizer with the modes"
    ):
        DataCollatorForMixtureOfDenoisers(make_tokenizer(*sentinels(100), *MODES[:2]), sequence_length=512)
    with pytest.raises(ValueError, match="denoisers is empty"):
        MixtureOfDenoisersSection(denoisers=[])
    with pytest.raises(ValueError, match=r"must not be above 0\.5"):
        MixtureOfDenoisersSection.model_validate({"denoisers": [{"type": "prefix", "noise_density": 0.6}]})


def test_the_section() -> None:
    section = MixtureOfDenoisersSection()
    assert section.special_tokens() == [*sentinels(100), "[NLU]", "[S2S]", "[NLG]"]
    assert section.heads() == ("seq2seq_lm",)
    assert MixtureOfDenoisersSection(form="decoder").heads() == ("causal_lm",)
    assert MixtureOfDenoisersSection(denoisers="ul2r").raw_length(512) == 510


@pytest.mark.parametrize("form", FORMS)
def test_the_contract(ul2: Any, check_contract: Make, form: str) -> None:
    check_contract(lambda **options: DataCollatorForMixtureOfDenoisers(ul2, sequence_length=64, form=form, **options))
