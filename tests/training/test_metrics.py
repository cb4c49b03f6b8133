from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pretraining.batching.config import BatchesSection
from pretraining.batching.timeline import BatchSize, make_timeline
from pretraining.section import Duration
from pretraining.training.metrics import Meter, MetricsLog, changes, clock, forget_after, log_line, matmul_peak


def test_lines_after_the_checkpoint_and_half_lines_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    forget_after(path, 3)
    assert not path.exists()
    path.write_text('{"step": 2}\n{"step": 3}\n{"step": 4}\n{"step": 3, "held_out_loss": 1}\n{"ste')
    forget_after(path, 3)
    assert path.read_text() == '{"step": 2}\n{"step": 3}\n{"step": 3, "held_out_loss": 1}\n'


def test_the_log_line_says_where_the_run_stands() -> None:
    line = {"step": 20, "loss": 4.25, "learning_rate": 1e-3, "grad_norm": 0.5, "tokens_per_second": 8000.0}
    text = log_line(line | {"peak_share": 0.41}, steps=100, tokens_left=480_000)
    assert text == (
        "step  20/100  loss 4.2500  lr 1.00e-03  grad 0.50  8,000 tok/s (41% of peak)  480 k tokens left  ETA 1:00"
    )
    assert "peak" not in log_line(line | {"peak_share": None}, steps=100, tokens_left=1)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_matmul_peak_is_a_plausible_speed() -> None:
    assert 1e8 < matmul_peak(torch.device("cpu"), torch.float32, seconds=0.05) < 1e15


def test_the_meter_does_not_count_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("pretraining.training.metrics.time.perf_counter", lambda: now[0])
    meter = Meter(10)
    meter.add(100.0)
    now[0] = 5.0
    with meter.paused():
        now[0] = 8.0
    now[0] = 9.0
    meter.add(20.0)
    assert meter.total == 6.0
    assert meter.lap(14) == (10, 120.0, 6.0)
    now[0] = 11.0
    assert meter.lap(15) == (14, 0.0, 2.0)


def test_log_lines_name_the_stage_when_it_changes_and_the_batch_when_it_grows() -> None:
    stages = [{"name": "short", "duration": {"tokens": 80}}, {"name": "long", "duration": {"steps": 2}}]
    section = BatchesSection.model_validate({"sequence_length": 4, "stages": stages})
    timeline = make_timeline(section, BatchSize(8, 24, 64), None)  # 8 8 8 8 16 16 24 | 24 24
    said = [changes(timeline, since, since + 1) for since in range(timeline.steps)]
    assert said == ["stage short", "", "", "", "batch 16 tokens", "", "batch 24 tokens", "stage long", ""]
    assert changes(timeline, 3, 9) == "stage long  batch 24 tokens"
    one = make_timeline(BatchesSection(sequence_length=4), BatchSize(8, 8), Duration(steps=3))
    assert changes(one, 0, 3) == ""
    line = {"step": 5, "loss": 4.25, "learning_rate": 1e-3, "grad_norm": 0.5, "tokens_per_second": 8000.0}
    text = log_line(line | {"peak_share": None}, steps=9, tokens_left=1, news="batch 16 tokens")
    assert text.startswith("step 5/9  batch 16 tokens  loss 4.2500  lr")


def test_trackers_get_numbers_and_the_file_gets_everything(tmp_path: Path) -> None:
    class Tracked:
        is_main_process = True
        lines: list[tuple[dict[str, float], int]] = []

        def log(self, values: dict[str, float], step: int) -> None:
            self.lines.append((values, step))

    log = MetricsLog(Tracked(), tmp_path / "metrics.jsonl", resumed_step=0)  # type: ignore[arg-type]
    log.write({"step": 3, "loss": 1.5, "stage": "long", "peak_share": None, "decision": {"weights": {"a": 1.0}}})
    assert Tracked.lines == [({"loss": 1.5}, 3)]
    assert '"decision": {"weights": {"a": 1.0}}' in (tmp_path / "metrics.jsonl").read_text()
