from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pretraining.corpus.deduplication.held_out import HeldOutNeighbours
from pretraining.corpus.deduplication.minhash import MinhashDeduplication
from pretraining.corpus.removed import id_hash
from pretraining.corpus.sections.deduplication import MinhashDeduplicationStep

SECTION = MinhashDeduplicationStep(type="minhash_deduplication", words="whitespace", ngram=1, bands=6, rows=2)
TEXTS = [" ".join(f"w{j}" for j in range(start, start + 8)) for start in range(12)]


def is_held_out(i: int, share: float) -> bool:
    return id_hash(f"s/{i}") / 2**64 < share


@pytest.mark.parametrize("minimum", [0.0, 0.6])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(
    texts=st.lists(st.sampled_from(TEXTS), max_size=12), share=st.sampled_from([0.0, 0.3, 0.6]), cut=st.integers(0, 5)
)
def test_exactly_the_direct_neighbours_of_held_out_documents_go(
    deduplicate: Callable, drafts: Callable, texts: list[str], share: float, cut: int, minimum: float
) -> None:
    section = SECTION.model_copy(update={"min_similarity": minimum})
    run = deduplicate(HeldOutNeighbours(section, share), texts, cuts=[min(cut, len(texts))])
    signer = MinhashDeduplication(section)
    signatures = [signer.signature(draft) for draft in drafts(texts)]
    held_out = [i for i in range(len(texts)) if is_held_out(i, share)]
    for i in range(len(texts)):
        near = {
            j: float((signatures[i] == signatures[j]).mean())
            for j in held_out
            if (signatures[i] == signatures[j]).reshape(6, 2).all(axis=1).any()
        }
        if i in held_out or not near:
            assert (run.reasons[i], run.twins[i]) == (None, -1)
            continue
        assert run.twins[i] == min(j for j in near if near[j] == max(near.values()))
        assert run.values[i] == max(near.values())
        assert run.reasons[i] == ("near_duplicate_of_held_out" if run.values[i] >= minimum else None)
