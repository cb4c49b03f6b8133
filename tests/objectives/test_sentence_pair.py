from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pretraining.errors import DataError
from pretraining.objectives.sections.pairs import SentencePairSection
from pretraining.objectives.sentence_pair import DataCollatorForSentencePair

CLS, SEP, STOP = 2, 3, 5
LENGTH = 64


@pytest.fixture(scope="module")
def numbers() -> Any:
    """A tokenizer whose tokens are numbers, and a full stop; token ids of a document tell where they come from."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *map(str, range(6, 10_000))]
    backend = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    )  # fmt: skip


def document(number: int, size: int = 70, stops: int = 0) -> list[int]:
    """A framed document of ``size`` ids counted up from ``100 * number``, with a full stop at every ``stops``-th."""
    text = [STOP if stops and i % stops == stops - 1 else 100 * number + i for i in range(size)]
    return [CLS, *text, SEP]


def sample(index: int, *documents: list[int], **more: Any) -> dict[str, Any]:
    ids = np.array([i for each in documents for i in each], np.uint16)
    return {"input_ids": ids, "lengths": [len(each) for each in documents], "index": index, "epoch": 0, **more}


def other(*documents: list[int]) -> dict[str, Any]:
    found = sample(0, *documents)
    return {"input_ids": found["input_ids"], "lengths": found["lengths"]}


def segments(batch: dict[str, torch.Tensor]) -> list[tuple[list[int], list[int]]]:
    """The texts A and B of every row, unmasked, after a check of frames, token types and padding."""
    found = []
    original = torch.where(batch["labels"] != -100, batch["labels"], batch["input_ids"])
    for ids, types, real in zip(original, batch["token_type_ids"], batch["document_ids"] > 0, strict=True):
        row, kinds = ids[real].tolist(), types[real].tolist()
        second = kinds.index(1) if 1 in kinds else len(kinds)
        assert kinds == [0] * second + [1] * (len(kinds) - second) and not types[~real].any()
        assert row[0] == CLS and row[second - 1] == SEP and row[-1] == SEP and (ids[~real] == 0).all()
        a, b = row[1 : second - 1], row[second:-1]
        assert not {CLS, SEP} & {*a, *b}
        found.append((a, b))
    return found


def collator(tokenizer: Any, **options: Any) -> DataCollatorForSentencePair:
    return DataCollatorForSentencePair(tokenizer, sequence_length=LENGTH, **{"short_seq_prob": 0.0, **options})


def place(token: int) -> tuple[int, int]:
    """(document, place in it) of a token id."""
    return divmod(token, 100)


def even(labels: torch.Tensor) -> bool:
    """As many ones as zeros, within four standard deviations."""
    labels = labels[labels >= 0]
    return abs(float(labels.float().mean()) - 0.5) < 2 / math.sqrt(len(labels))


def test_next_sentence(numbers: Any) -> None:
    samples = [sample(i, document(1 + i % 80), other=other(document(90 + i % 9))) for i in range(400)]
    batch = collator(numbers)(samples)
    assert set(batch) == {
        "input_ids", "labels", "token_type_ids", "position_ids", "document_ids", "next_sentence_label",
    }  # fmt: skip
    assert all(tensor.dtype == torch.int64 for tensor in batch.values())
    assert batch["position_ids"].tolist() == [list(range(LENGTH))] * 400  # full rows, of one document each
    labels = batch["next_sentence_label"]
    assert even(labels) and labels.min() == 0
    for row, (a, b) in enumerate(segments(batch)):
        assert a == list(range(a[0], a[-1] + 1)) and b == list(range(b[0], b[-1] + 1)) and len(a + b) == LENGTH - 3
        assert place(a[0])[0] == 1 + row % 80
        if labels[row]:
            assert place(b[0])[0] == 90 + row % 9 and place(b[0])[1] > 0
        else:
            assert b[0] == a[-1] + 1
    cuts = torch.tensor([len(a) for a, _ in segments(batch)]).float()
    for label in (0, 1):  # the length of A does not tell the label
        part = cuts[labels == label]
        assert abs(part.mean() - (LENGTH - 3) / 2) < 4 * part.std() / math.sqrt(len(part))


def test_sentence_order_never_takes_another_document(numbers: Any) -> None:
    samples = [sample(i, document(1 + i % 80), document(90), other=other(document(91))) for i in range(300)]
    batch = collator(numbers, pair="sentence_order")(samples)
    labels = batch["sentence_order_label"]
    assert even(labels) and labels.min() == 0
    for row, (a, b) in enumerate(segments(batch)):
        first, second = (b, a) if labels[row] else (a, b)
        assert first + second == list(range(first[0], second[-1] + 1))
        assert place(first[0])[0] in (1 + row % 80, 90)


def test_where_the_other_document_comes_from(numbers: Any) -> None:
    def documents_of(samples: list[Any]) -> list[set[tuple[int, int]]]:
        found: list[set[tuple[int, int]]] = [set() for _ in samples]
        collate = collator(numbers)
        for epoch in range(40):
            batch = collate([{**each, "epoch": epoch} for each in samples])
            for row, (a, b) in enumerate(segments(batch)):
                if batch["next_sentence_label"][row] == 1:
                    found[row].add((place(a[0])[0], place(b[0])[0]))
        return found

    given, inside, following = documents_of(
        [
            sample(0, document(1), document(2), other=other(document(7))),
            sample(1, document(3), document(4)),
            sample(2, document(5)),
        ]
    )
    assert given == {(1, 7), (2, 7)} and inside == {(3, 4), (4, 3)} and following == {(5, 1), (5, 2)}


def test_two_parts_that_may_be_of_one_document_make_no_pair(numbers: Any) -> None:
    parts = [sample(0, document(1)[1:50]), sample(1, document(1)[50:-1])]
    whole, collate = sample(2, document(2)), collator(numbers)
    for epoch in range(10):
        labels = collate([{**each, "epoch": epoch} for each in [*parts, whole]])["next_sentence_label"]
        assert labels[0] == -100 and labels[1:].min() >= 0


def test_the_rows_of_a_dataset_are_documents_without_a_frame_too(numbers: Any) -> None:
    texts = [document(number)[1:-1] for number in (1, 2, 3, 4)]
    labels = collator(numbers)([{"input_ids": texts[i % 4], "index": i} for i in range(400)])["next_sentence_label"]
    assert even(labels) and (labels >= 0).all()


@pytest.mark.parametrize("pair", ["next_sentence", "sentence_order"])
def test_the_balance_holds_for_any_documents(pair: str, numbers: Any) -> None:
    documents = [document(3, 1), document(4, 2), document(5, 0), document(6, 90, 7), document(7, 30, 1)]
    samples = [sample(i, documents[i % 5], **({"other": other(documents[i % 3])} if i % 2 else {})) for i in range(900)]
    batch = collator(numbers, pair=pair)(samples)
    labels = batch[f"{pair}_label"]
    assert even(labels)
    for row, (a, b) in enumerate(segments(batch)):
        assert (labels[row] == -100) == (not b) and (len(a) > 0 or not b)
    alone = collator(numbers)([samples[3] | {"other": other()}])
    assert alone["next_sentence_label"].tolist() == [-100] and segments(alone)[0][1] == []


def test_segments_are_cut_where_sentences_end(numbers: Any) -> None:
    samples = [sample(i, document(1 + i % 80, 60, 8), other=other(document(90, 90, 8))) for i in range(200)]
    batch = collator(numbers)(samples)
    for label, (a, b) in zip(batch["next_sentence_label"].tolist(), segments(batch), strict=True):
        assert a[-1] == STOP and place(b[0])[1] % 8 == 0 and (not label or place(b[0])[0] == 90)


def test_short_rows_and_long_documents(numbers: Any) -> None:
    samples = [sample(i, document(1 + i % 9, 99), other=other(document(90, 99))) for i in range(600)]
    batch = collator(numbers, short_seq_prob=0.3)(samples)
    sizes = (batch["document_ids"] > 0).sum(1) - 3
    assert abs(float((sizes < 61).float().mean()) - 0.3 * 59 / 60) < 4 * math.sqrt(0.21 / 600)
    assert sizes.min() >= 2 and sizes.max() == 61
    begins = {place(a[0])[1] for a, _ in segments(batch)}
    assert min(begins) == 0 and max(begins) > 38  # not always the beginning of the document


def test_raw_length_fills_rows(numbers: Any) -> None:
    collate = collator(numbers)
    assert collate.raw_length(LENGTH) == 61 and collate.special_tokens() == []
    middle = sample(0, document(1)[5 : 5 + 61], other=other(document(2)))
    assert (collate([middle])["document_ids"] > 0).all()
    section = SentencePairSection(pair="sentence_order", unit="ngram")
    assert section.heads() == ("pair",) and section.token_roles() == ["mask_token", "cls_token", "sep_token"]
    again = collator(numbers, **section.collator_parameters() | {"short_seq_prob": 0.0}).section
    assert again == section.model_copy(update={"short_seq_prob": 0.0})


def test_a_sample_has_its_pair_in_any_batch_and_inputs_stay(numbers: Any) -> None:
    samples = [sample(i, document(1 + i, 40 + i), other=other(document(50, 60))) for i in range(8)]
    for each in samples:
        each["input_ids"].flags.writeable = False
    collate = DataCollatorForSentencePair(numbers, sequence_length=LENGTH, seed=4)
    together = collate(samples)
    part = collate([samples[6], samples[1]])
    assert all(torch.equal(tensor, together[key][[6, 1]]) for key, tensor in part.items())
    epoch = collate([{**each, "epoch": 1} for each in samples])
    assert not torch.equal(epoch["input_ids"], together["input_ids"])
    narrow = DataCollatorForSentencePair(numbers, sequence_length=LENGTH, seed=4, pad_to_multiple_of=8)
    assert narrow([sample(0, document(1, 5), other=other(document(2, 5)))])["input_ids"].shape[1] <= 16


def test_masks_lie_within_segments(numbers: Any) -> None:
    batch = collator(numbers, mlm_probability=1.0)([sample(0, document(1), other=other(document(2)))])
    assert int((batch["labels"] != -100).sum()) == LENGTH - 3


def test_mistakes_are_told(numbers: Any) -> None:
    with pytest.raises(ValueError, match="rows of 5 tokens or more, not 4"):
        DataCollatorForSentencePair(numbers, sequence_length=4)
    with pytest.raises(ValueError, match=r"sample 7 has 3 tokens in pieces of \[2\]"):
        collator(numbers)([{"input_ids": [2, 8, 3], "lengths": [2], "index": 7}])
    with pytest.raises(ValidationError, match="sentence_order"):
        collator(numbers, pair="sop")

    class NoFrame:
        pad_token_id = cls_token_id = bos_token_id = sep_token_id = None
        eos_token_id, mask_token_id, all_special_ids = 1, 0, [0, 1]

        def get_vocab(self) -> dict[str, int]:
            return {"m": 0, "e": 1, "x": 2}

    with pytest.raises(DataError, match="needs a cls_token"):
        collator(NoFrame())
