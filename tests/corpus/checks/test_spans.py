from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pretraining.corpus.checks.spans import RULES
from pretraining.corpus.sections.span_deduplication import BloomDeduplicationStep, LineDeduplicationStep


def findings(*steps: Any, sources: tuple[Any, ...] = ()) -> list[tuple[str, str]]:
    corpus: Any = SimpleNamespace(steps=list(steps), sources=list(sources))
    return [(rule.id, finding.path) for rule in RULES for finding in rule.check(corpus)]


def bloom(**keys: Any) -> BloomDeduplicationStep:
    return BloomDeduplicationStep(type="bloom_deduplication", **keys)


def lines(**keys: Any) -> LineDeduplicationStep:
    return LineDeduplicationStep(type="line_deduplication", **keys)


def test_a_bloom_filter_that_loses_much() -> None:
    assert findings(bloom(), bloom(false_positive_rate=0.01, unit="line", max_removed=0.5)) == []
    assert findings(lines(), bloom(false_positive_rate=0.02)) == [
        ("bloom_is_useful", "corpus.steps[1].false_positive_rate")
    ]
    assert findings(bloom(max_removed=0.5)) == [("bloom_is_useful", "corpus.steps[0].max_removed")]
    corpus: Any = SimpleNamespace(steps=[bloom(false_positive_rate=0.02, expected_items=5000)], sources=[])
    assert "up to 100 of 5,000" in next(RULES[0].check(corpus)).message


def test_lines_of_code() -> None:
    code, prose = SimpleNamespace(type="code", name="src"), SimpleNamespace(type="text", name="books")
    assert findings(lines(), sources=(prose,)) == []
    assert findings(lines(sources=["books"]), bloom(), sources=(prose, code)) == []
    expected = [("code_keeps_its_lines", "corpus.steps[0].sources")]
    assert findings(lines(), sources=(prose, code)) == expected
    assert findings(lines(sources=["src"]), sources=(prose, code)) == expected
    assert findings(bloom(unit="line"), sources=(prose, code)) == expected
