from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_same_corpus_however_it_is_cut_into_tasks(
    tmp_path: Path, build: Callable[..., Any], speeches: list[str]
) -> None:
    for k in range(3):
        records = [
            {"text": speech[:3000], "url": f"https://{'abc'[i % 3]}.example{i % 2}.org/{k}/{i}"}
            for i, speech in enumerate(speeches[k::3])
        ]
        (tmp_path / f"{k}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    steps = [
        {"type": "sample", "rate": 0.95},
        {"type": "concatenate", "by": "url_domain", "max_characters": 9100},
        {"type": "budget", "bytes": 30_000},
    ]
    built = [
        build({"type": "jsonl", "path": "*.jsonl"}, name=str(size), steps=steps, executor={"shard_bytes": size})
        for size in (1, 10_000_000)
    ]
    one, other = ([(row["id"], row["text"]) for row in corpus.rows()] for corpus in built)
    assert one == other
    assert len(one) == 3 and sum(len(text.encode()) for _, text in one) <= 30_000
    for corpus in built:
        removed = {name: corpus.step(name)["removed"] for name in ("sample", "concatenate", "budget")}
        assert removed["concatenate"]["merged"]["documents"] > 0
        assert removed["budget"]["over_budget"]["documents"] > 0
