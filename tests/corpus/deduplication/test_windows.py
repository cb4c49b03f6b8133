from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication import windows
from pretraining.corpus.deduplication.windows import anchors, prefix_sums, sliding, span_hashes

TEXT = st.lists(st.sampled_from([b"a", b"b", b"ab", b"\xc3\xa9", b"xyz"]), max_size=30).map(b"".join)


def as_array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8)


@settings(deadline=None)
@given(TEXT, TEXT, TEXT)
def test_equal_spans_have_equal_hashes_wherever_they_stand(before: bytes, span: bytes, between: bytes) -> None:
    sums = prefix_sums(as_array(before + span + between + span))
    at = np.array([len(before), len(before + span + between)])
    hashes = span_hashes(sums, at, at + len(span))
    assert hashes[0] == hashes[1]


def test_different_spans_have_different_hashes_in_every_bit_range() -> None:
    data = as_array(b"".join(str(i).encode() for i in range(40_000)))
    sums = prefix_sums(data)
    starts = np.arange(0, 100_000)
    spans = {bytes(data[i : i + 12]) for i in starts.tolist()}
    hashes = np.unique(span_hashes(sums, starts, starts + 12))
    assert len(hashes) == len(spans)
    assert abs(np.mean(hashes < 2**63) - 0.5) < 0.01
    assert abs(np.mean(hashes % 2 == 0) - 0.5) < 0.01


@settings(deadline=None)
@given(st.lists(st.integers(0, 99), min_size=1, max_size=40), st.integers(1, 40))
def test_sliding(values: list[int], width: int) -> None:
    width = min(width, len(values))
    expected = [min(values[i : i + width]) for i in range(len(values) - width + 1)]
    assert sliding(np.minimum, np.array(values, dtype=np.uint64), width).tolist() == expected


@settings(deadline=None)
@given(st.lists(TEXT, max_size=6), st.integers(4, 12))
def test_equal_windows_have_an_anchor_at_the_same_distance(documents: list[bytes], size: int) -> None:
    data = as_array(b"".join(documents))
    ends = np.cumsum([0, *map(len, documents)])[1:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "CHUNK", 16)
        found = {p: h for places, hashes in anchors(data, ends, size) for p, h in zip(places, hashes, strict=True)}
    starts = [end - len(d) + i for d, end in zip(documents, ends, strict=True) for i in range(len(d) - size + 1)]
    by_content: dict[bytes, list[set[tuple[int, int]]]] = {}
    for start in map(int, starts):
        inside = {(p - start, int(found[p])) for p in found if start <= p <= start + size - size // 2}
        assert inside
        by_content.setdefault(bytes(data[start : start + size]), []).append(inside)
    for windows_of_content in by_content.values():
        assert set.intersection(*windows_of_content)
