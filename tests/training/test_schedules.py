from __future__ import annotations

import pytest

from pretraining.training.schedules import make_schedule


def values(kind: str, **changes: float) -> list[float]:
    settings = {"steps": 10, "warmup": 2, "decay": 4, "min_ratio": 0.1} | changes
    schedule = make_schedule(kind, **settings)  # type: ignore[arg-type]
    return [schedule(step) for step in range(int(settings["steps"]))]


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant", "inverse_sqrt", "wsd"])
def test_warmup_is_linear_and_reaches_the_peak(kind: str) -> None:
    assert values(kind, warmup=4)[:4] == [0.25, 0.5, 0.75, 1.0]
    assert max(values(kind, warmup=0)) == 1.0


def test_ends() -> None:
    assert values("cosine")[-1] == pytest.approx(0.1)
    assert values("linear")[-1] == pytest.approx(0.1)
    assert values("linear", min_ratio=0)[-1] == pytest.approx(0.0)
    assert values("constant")[2:] == [1.0] * 8
    assert values("wsd") == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.775, 0.55, 0.325, 0.1])
    assert values("inverse_sqrt", warmup=4)[4:6] == pytest.approx([(4 / 5) ** 0.5, (4 / 6) ** 0.5])


def test_halfway_points() -> None:
    assert values("cosine", warmup=0, steps=11)[5] == pytest.approx(0.55)
    assert values("linear", warmup=0, steps=11)[5] == pytest.approx(0.55)


@pytest.mark.parametrize("kind", ["cosine", "linear", "wsd", "inverse_sqrt"])
def test_never_rises_after_the_warmup(kind: str) -> None:
    after = values(kind, steps=50, warmup=5, decay=20)[5:]
    assert all(a >= b for a, b in zip(after, after[1:], strict=False))


def test_one_step() -> None:
    assert values("cosine", steps=1, warmup=0) == [1.0]
    assert values("cosine", steps=1, warmup=1) == [1.0]
