from __future__ import annotations

import numpy as np
import pytest

from pretraining.objectives.span_lengths import (
    blank_infilling_raw_length,
    corrupted_lengths,
    poisson,
    span_corruption_raw_length,
    span_counts,
)

SETTINGS = [(0.15, 3.0), (0.15, 8.0), (0.5, 3.0), (0.5, 8.0), (0.15, 64.0), (0.5, 64.0), (0.15, 32.0)]
# Raw length, targets and spans of the reference, by the length of the inputs.
TABLE = {
    512: [(568, 114, 28), (588, 100, 11), (766, 512, 128), (908, 512, 57), (600, 92, 1), (1006, 512, 8), (598, 94, 3)],
    1024: [(1137, 229, 57), (1178, 200, 22), (1534, 1024, 256), (1818, 1024, 114), (1200, 184, 3), (2014, 1024, 16)],
    2048: [(2274, 456, 114), (2357, 399, 44), (3070, 2048, 512), (3638, 2048, 227), (2401, 367, 6), (4030, 2048, 31)],
}


@pytest.mark.parametrize(("inputs", "column"), [(n, i) for n, row in TABLE.items() for i in range(len(row))])
def test_the_table_of_the_reference(inputs: int, column: int) -> None:
    raw = span_corruption_raw_length(inputs, *SETTINGS[column])
    targets, spans = corrupted_lengths(raw, *SETTINGS[column])[1], span_counts(raw, *SETTINGS[column])[1]
    expected = TABLE[inputs][column]
    assert (raw, spans) == (expected[0], expected[2])
    # Where the reference takes a token away it says one target too many if the spans stay as they are.
    assert targets in ((expected[1], expected[1] - 1) if SETTINGS[column][0] == 0.5 else (expected[1],))


def test_the_vectors_of_the_reference() -> None:
    assert [
        (n := span_corruption_raw_length(64, 0.2, mean), corrupted_lengths(n, 0.2, mean)[1]) for mean in (2, 1)
    ] == [
        (70, 22),
        (63, 27),
    ]


@pytest.mark.parametrize("setting", SETTINGS)
def test_inputs_are_filled_exactly_for_every_length(setting: tuple[float, float]) -> None:
    longest: dict[int, int] = {}
    for raw in range(9000):
        longest[corrupted_lengths(raw, *setting)[0]] = raw
    for inputs in range(16, 4097):
        assert inputs in longest
    for inputs in [*range(16, 160), *range(161, 4097, 97), 4096]:
        raw = span_corruption_raw_length(inputs, *setting)
        filled, targets = corrupted_lengths(raw, *setting)
        if setting[0] == 0.5 and raw < longest[inputs]:  # the token less of the reference, so that the targets fit
            assert raw == longest[inputs] - 1
            assert corrupted_lengths(raw + 1, *setting) == (inputs, inputs + 1)
            assert filled >= inputs - 1 and targets <= inputs
        else:
            assert raw == longest[inputs] and filled == inputs


def test_counts_that_the_text_can_hold() -> None:
    assert [span_counts(length, 0.15, 3.0) for length in (0, 1, 2, 3, 30)] == [(0, 0), (0, 0), (1, 1), (1, 1), (4, 1)]
    assert span_counts(10, 0.9, 1.0) == (9, 1)  # spans are kept apart by tokens
    assert span_counts(190, 0.15, 3.0)[0] == 28  # 28.5 half to even; 29 in the 32 bits of the reference


def test_lengths_of_spans() -> None:
    truncated = np.array(poisson(3, shortest=1, longest=39))
    assert truncated @ np.arange(40) == pytest.approx(3.157, abs=1e-3)
    assert truncated[0] == 0
    assert poisson(3, shortest=0, longest=50)[:3] == pytest.approx([0.0498, 0.1494, 0.2240], abs=1e-4)


def test_blanks_have_room() -> None:
    raw = blank_infilling_raw_length(512, 0.15, 3, 39)
    assert raw == 452
    assert [blank_infilling_raw_length(n, 0.15, 3, 39) < n for n in (8, 64, 2048)] == [True] * 3
