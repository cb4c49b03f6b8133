from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from pretraining.publishing import figures

SVG = "{http://www.w3.org/2000/svg}"


def labels(svg: str) -> list[str]:
    """The texts of a figure; also proves that it is well-formed."""
    return ["".join(element.itertext()).strip() for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_curve_labels_and_ids() -> None:
    svg = figures.curve("Loss", "nats", [("training", [0, 1e6], [3.0, 2.0]), ("held out", [1e6], [2.5])])
    assert {"Loss (nats)", "tokens", "training", "held out"} <= set(labels(svg))
    assert "training ends at 2, held out ends at 2.5" in svg
    assert all(name.startswith("loss-") for name in re.findall(r'\bid="([^"]*)"', svg))
    assert "width=" not in svg.split(">")[0] and "viewBox=" in svg.split(">")[0]


def test_one_point_and_equal_values_can_be_drawn() -> None:
    assert "Loss" in labels(figures.curve("Loss", "", [("training", [5], [3.0])]))
    assert "Norm" in labels(figures.curve("Norm", "", [("norm", [1, 2], [1.0, 1.0])], log=True))


def test_names_are_escaped() -> None:
    svg = figures.comparison(1.0, [{"name": "<script>&\"'", "bits_per_byte": 2.0, "note": ""}])
    assert "<script>&\"'" in labels(svg) and "<script" not in svg


def test_comparison_is_sorted_with_the_model_in_its_place() -> None:
    svg = figures.comparison(2.0, [{"name": "uniform", "bits_per_byte": 8.0}, {"name": "xz", "bits_per_byte": 1.5}])
    assert labels(svg)[:3] == ["xz", "this model", "uniform"]


@pytest.mark.parametrize("out", [0, 10, 100])
def test_funnel_of_any_loss(out: int) -> None:
    removed = {"rule": {"documents": 100 - out, "bytes": 1000 - 10 * out}}
    step = {
        "step": "length",
        "documents_in": 100,
        "documents_out": out,
        "bytes_in": 1000,
        "bytes_out": 10 * out,
        "removed": removed,
    }
    said = " ".join(labels(figures.funnel([step])))
    assert f"{out} documents" in said and (f"−{100 - out}" in said) == (out < 100)


def test_a_long_training_is_thinned_to_means() -> None:
    assert figures.thinned([1.0, 3.0]) == [1.0, 3.0]
    thin = figures.thinned([float(i) for i in range(10_001)])
    assert len(thin) <= 500 and thin[0] == 10.0 and thin[-1] == 9_998.0
