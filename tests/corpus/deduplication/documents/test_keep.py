from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pretraining.corpus.deduplication.keep import RECORD, best_first, moment
from pretraining.corpus.sections.deduplication import ExactDeduplicationStep
from pretraining.errors import DataError

SECTION = ExactDeduplicationStep(type="exact_deduplication", normalize="ccnet")


def section(**keys: Any) -> ExactDeduplicationStep:
    return ExactDeduplicationStep(type="exact_deduplication", normalize="ccnet", **keys)


def test_the_first_stays(deduplicate: Callable) -> None:
    run = deduplicate(section(), ["one", "One!", "two", "ONE"])
    assert run.kept == [0, 2]
    assert run.twins == [-1, 0, -1, 0]


def test_the_longest_stays(deduplicate: Callable) -> None:
    run = deduplicate(section(keep="longest"), ["one", "one!!", "one??", "one."])
    assert run.kept == [1]
    assert run.twins == [1, -1, 1, 1]


def test_the_newest_stays_and_documents_without_a_date_are_oldest(deduplicate: Callable) -> None:
    dates = [None, "2019", "2021-03-01", "2021-03-01T00:00:01Z", "2020-12-31", "no date"]
    run = deduplicate(section(keep="newest", date_field="day"), [("same", {"day": day}) for day in dates])
    assert run.kept == [3]


def test_the_best_score_stays_and_ties_go_to_the_first(deduplicate: Callable) -> None:
    scores = [0.2, math.nan, 0.9, 0.9, True]
    run = deduplicate(section(keep="best_score"), [("same", {"quality_score": score}) for score in scores])
    assert run.kept == [2]


def test_a_field_that_no_document_has_is_an_error(deduplicate: Callable) -> None:
    with pytest.raises(DataError, match=r"keep is 'newest', but none of 2 documents has 'date' among its metadata"):
        deduplicate(section(keep="newest"), ["a", "b"])


def test_a_source_earlier_in_the_list_wins_over_keep(deduplicate: Callable) -> None:
    documents = [("same!!", {"source": "web"}), ("same", {"source": "books"}), ("same!", {"source": "wiki"})]
    run = deduplicate(section(keep="longest", priority=["wiki", "books"]), documents)
    assert run.kept == [2]
    assert deduplicate(section(keep="longest"), documents).kept == [0]


def test_within_one_source_only(deduplicate: Callable) -> None:
    documents = [("same", {"source": source}) for source in ("a", "b", "a", "b", "c")]
    run = deduplicate(section(scope="source"), documents, cuts=[1, 3])
    assert run.twins == [-1, -1, 0, 1, -1]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970", 0.0),
        ("1970-02", 31 * 86400.0),
        ("1970-01-02", 86400.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01T00:00:05z", 5.0),
        (" 1970-01-01 ", 0.0),
        (12, 12.0),
        ("2020-02-31", -math.inf),
        ("", -math.inf),
        (None, -math.inf),
        (True, -math.inf),
    ],
)
def test_moments(value: Any, seconds: float) -> None:
    assert moment(value) == seconds


def test_order_of_the_best() -> None:
    records = np.array([(0, 1, 5.0), (0, 0, -np.inf), (0, 1, 7.0), (0, 1, 7.0)], dtype=RECORD)
    assert best_first(records, np.arange(4)).tolist() == [1, 2, 3, 0]
    assert best_first(records, np.arange(4), np.array([1, 1, 0, 1])).tolist() == [2, 1, 3, 0]
