"""Sentence pairs with masked language modeling: BERT's next sentence prediction and ALBERT's sentence order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from pretraining.objectives.draws import sample_keys, uniform
from pretraining.objectives.masking import Masker
from pretraining.objectives.rows import IGNORED, read, rewritten
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.pairs import FRAME_TOKENS, SentencePairSection
from pretraining.objectives.vocabulary import named_token
from pretraining.objectives.words import ends_sentence, token_texts
from pretraining.tokenization.special import frame

Ids = npt.NDArray[Any]

PAIR = 8
"""Stream of the draws that make the pair, apart from those of the masks."""


class Text(NamedTuple):
    """A piece without the tokens that framed it, and whether it is a whole document."""

    ids: Ids
    whole: bool


class Pair(NamedTuple):
    """Two segments without their frame, and how they stand to each other; -100: ``a`` is all, and no pair."""

    a: Ids
    b: Ids
    label: int


class DataCollatorForSentencePair(SectionCollator[SentencePairSection]):
    """``[CLS] A [SEP] B [SEP]`` from one document, or from two: ``collator(samples) -> tensors``.

    Each sample gives one row, out of one of its pieces, drawn in proportion to length (so give every document its own
    row, ``batches.packing: none``). Tokens that framed the piece are taken away, and the frame of a pair is written.
    A and B are cut where a sentence ends, as far as the ids tell, else between any two tokens::

        next_sentence    0  B is the text that follows A          1  B is from another document       (BERT)
        sentence_order   0  A, B in their order                   1  in the other order               (ALBERT)

    ==================================================  ===========================================================
    ``input_ids``, ``labels``                           int64 (B, W), masked as in ``DataCollatorForMaskedLM``
    ``token_type_ids``                                  int64 (B, W): 0 for [CLS] A [SEP] and padding, 1 for B [SEP]
    ``position_ids``, ``document_ids``                  int64 (B, W): the row is one document, 0 on padding
    ``next_sentence_label`` or ``sentence_order_label`` int64 (B,): 0, 1, or -100 for a row without a pair
    ==================================================  ===========================================================

    The label is drawn first, 1 with probability 1/2, and only for samples that could have either: where there is too
    little text to cut, or no other document, the row is ``[CLS] text [SEP]`` with label -100, whatever would have been
    drawn. So the balance holds for any documents. (BERT labels such cases 1, and takes its "random" text from the same
    document if there is but one; ALBERT takes another document for a text of one sentence.)

    A B from another document comes from ``sample["other"]`` (``input_ids`` and ``lengths``: other documents, which the
    loader adds), else from another document of the sample, else from the next sample of the batch, where it is taken
    only if one of the two is a whole document (framed, or the row of a dataset without ``lengths``), because two parts
    may be of the same. It begins after a sentence, not
    with its document, and is as long as the text it replaces wherever there is enough of it.

    All is drawn from (seed, epoch, index); where the next sample is needed, the row depends on it too.

    Args:
        tokenizer: a fast tokenizer of transformers with mask, cls and sep tokens.
        parameters: those of ``SentencePairSection``, under the same names and with its defaults.
            The other arguments are those of ``SectionCollator``.

    Raises:
        DataError: the tokenizer lacks one of these tokens, or the text of its tokens cannot be told.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError); rows are too short.
    """

    Section = SentencePairSection

    def _prepare(self, tokenizer: Any) -> None:
        if self.sequence_length < FRAME_TOKENS + 2:
            raise ValueError(f"a pair needs rows of {FRAME_TOKENS + 2} tokens or more, not {self.sequence_length}")
        self.masker = Masker(tokenizer, self.vocabulary, self.section)
        self._opens, self._ends = frame(tokenizer)
        self._cls, self._sep = (np.array([named_token(tokenizer, role)]) for role in ("cls_token", "sep_token"))
        self._ends_sentence = ends_sentence(token_texts(tokenizer, self.vocabulary)[0])

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Make a pair of every sample and mask it.

        Args:
            samples: each with ``input_ids`` (t,) and ``lengths`` (pieces,), longer ones are cut; with ``other``, see
                above; with ``progress`` where ``final_mlm_probability`` is given.

        Raises:
            ValueError: the lengths of a sample do not add up.
            DataError: ``progress`` is needed and missing.
        """
        draws = uniform(sample_keys(samples, self.seed), 8, stream=PAIR)
        texts = [self._texts(sample, row) for row, sample in enumerate(samples)]
        pairs = [
            self._pair(texts[row], self._others(samples, texts, row), draws[row].tolist()) for row in range(len(texts))
        ]
        framed = [self._framed(sample, pair) for sample, pair in zip(samples, pairs, strict=True)]
        rows = self.rows_of(framed, self.sequence_length, self.pad_to_multiple_of)
        masked = self.masker(rows, framed)
        document_ids, position_ids = rows.documents_and_positions()
        first = np.array([len(pair.a) + 2 for pair in pairs], np.int64)[:, None]
        batch = {
            "input_ids": masked.input_ids,
            "labels": masked.labels,
            "token_type_ids": ((position_ids >= first) & (document_ids > 0)).astype(np.int64),
            "position_ids": position_ids,
            "document_ids": document_ids,
            f"{self.section.pair}_label": np.array([pair.label for pair in pairs], np.int64),
        }
        return {key: torch.from_numpy(value) for key, value in batch.items()}

    def _texts(self, sample: dict[str, Any], row: int = 0) -> list[Text]:
        """The pieces of a sample that hold text; the row of a plain dataset is a whole document."""
        ids, pieces = read(sample, row)
        lengths = pieces.tolist()
        if sum(lengths) != len(ids):
            raise ValueError(f"sample {sample.get('index', '')} has {len(ids)} tokens in pieces of {lengths}")
        texts, end, plain = [], 0, "lengths" not in sample
        for length in lengths:
            begin, end = end, end + length
            opened = length > 0 and int(ids[begin]) == self._opens
            closed = length > opened and int(ids[end - 1]) == self._ends
            if length > opened + closed:
                texts.append(Text(ids[begin + opened : end - closed], plain or (opened and closed)))
        return texts

    def _others(self, samples: Sequence[dict[str, Any]], texts: list[list[Text]], row: int) -> tuple[list[Text], bool]:
        """Texts that a sample may take another document from, and whether all of them are other documents for sure."""
        if self.section.pair == "sentence_order":
            return [], True
        if "other" in samples[row]:
            return self._texts(samples[row]["other"]), True
        if len(texts[row]) > 1:
            return texts[row], True
        following = (row + 1) % len(texts)
        return (texts[following] if following != row else []), False

    def _framed(self, sample: dict[str, Any], pair: Pair) -> dict[str, Any]:
        """The sample as ``[CLS] A [SEP] B [SEP]``, one piece, without ``B [SEP]`` where there is no pair."""
        parts = [self._cls, pair.a, self._sep]
        ids = np.concatenate([*parts, pair.b, self._sep] if pair.label != IGNORED else parts)
        return rewritten(sample, ids, [len(ids)])

    def _pair(self, texts: list[Text], others: tuple[list[Text], bool], draws: list[float]) -> Pair:
        """The segments and the label of a sample.

        Of the draws: 0 the piece, 1 and 2 a short row, 3 the window in the text, 4 the cut, 5 the label, 6 and 7 the
        other document and the place in it.
        """
        most = self.sequence_length - FRAME_TOKENS
        if draws[1] < self.section.short_seq_prob:
            most = 2 + int(draws[2] * (most - 1))
        mine = _draw(texts, draws[0]) if texts else Text(np.zeros(0, np.int64), True)
        start = int(draws[3] * (max(0, len(mine.ids) - most) + 1))
        window = mine.ids[start : start + most]
        other = self._other(mine, others, draws[6])
        if len(window) < 2 or (other is None and self.section.pair == "next_sentence"):
            return Pair(window, window[:0], IGNORED)
        cut = self._place(window, 1, len(window) - 1, draws[4])
        a, b = window[:cut], window[cut:]
        label = int(draws[5] < 0.5)
        if label and other is not None:
            room = max(0, len(other) - len(b))
            begin = self._place(other, min(1, room), room, draws[7])
            b = other[begin : begin + len(b)]
        elif label:
            a, b = b, a
        return Pair(a, b, label)

    def _other(self, mine: Text, others: tuple[list[Text], bool], draw: float) -> Ids | None:
        """The text of another document, or None where none is there for sure."""
        texts, sure = others
        found = [text for text in texts if text is not mine and (sure or mine.whole or text.whole)]
        return _draw(found, draw).ids if found else None

    def _place(self, text: Ids, low: int, high: int, draw: float) -> int:
        """A place between two tokens, ``low .. high``: after a sentence, or anywhere if none of them is."""
        ends = low + np.flatnonzero(self._ends_sentence[text[low - 1 : high]]) if low else np.zeros(0, np.int64)
        return int(ends[int(draw * len(ends))]) if len(ends) else low + int(draw * (high - low + 1))


def _draw(texts: list[Text], draw: float) -> Text:
    """One of the texts, in proportion to its length."""
    ends = list(accumulate(len(text.ids) for text in texts))
    return texts[bisect_right(ends, draw * ends[-1])]
