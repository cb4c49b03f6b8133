"""Time and memory of ``budget`` and ``concatenate`` in the parent, which looks at all documents at once.

python tests/benchmarks/sampling_decide.py budget 1000000        # or: concatenate
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pretraining.corpus.sampling import concatenate, sample
from pretraining.corpus.sections.sampling import BudgetStep, ConcatenateStep
from pretraining.corpus.step import GlobalStep, Preparation


def main(kind: str, documents: int) -> None:
    """One task with so many documents; ten of them have a domain in common."""
    folder = Path(tempfile.mkdtemp())
    random = np.random.default_rng(0)
    step: GlobalStep
    if kind == "budget":
        seen = np.zeros(documents, sample.SEEN)
        seen["hash"], seen["bytes"] = random.integers(0, 2**63, documents), 5000
        step = sample.Budget(BudgetStep(type="budget", bytes=documents * 2500))
    else:
        seen = np.zeros(documents, concatenate.SEEN)
        seen["group"], seen["characters"] = random.integers(1, documents // 10, documents), 5000
        step = concatenate.Concatenate(ConcatenateStep(type="concatenate", by="url_domain"))
    np.save(folder / "seen-00000.npy", seen)
    del seen
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    preparation = Preparation(base=folder, folder=folder, sources={}, held_out=0.0)
    step.decide(folder, np.array([documents]), preparation)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / documents
    print(f"{kind}: {time.perf_counter() - start:.1f} s for {documents:,} documents, at most {grown:.0f} bytes each")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
