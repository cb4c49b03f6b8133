"""Fill-in-the-middle: documents cut at characters, not at tokens, so that a model can be asked anywhere."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from pretraining.errors import DataError
from pretraining.objectives.causal_lm import DataCollatorForCausalLM
from pretraining.objectives.draws import sample_keys, uniform
from pretraining.objectives.rows import check_ids, misfit, read, rewritten
from pretraining.objectives.section_collator import SectionCollator
from pretraining.objectives.sections.fill_in_the_middle import FillInTheMiddleSection

Ids = npt.NDArray[np.int64]
_DRAWS = 4
"""Numbers that a piece takes: whether it is cut, which way it is written, and the two cuts."""


_HALF = "\ufffd"
"""What bytes that are no character decode to."""
_BYTES = 4
"""Of the longest character in UTF-8, each of which may be a token."""


class _Body(NamedTuple):
    """A text without its frame; ``before`` and ``after`` hold what is left of characters that packing has cut."""

    before: Ids
    ids: Ids
    after: Ids


class DataCollatorForFillInTheMiddle(SectionCollator[FillInTheMiddleSection]):
    """Causal language modeling where some pieces are rewritten (``permute`` of BigCode's Megatron-LM)::

        PSM   BOS <prefix> prefix <suffix> suffix <middle> middle EOS
        SPM   BOS <prefix> <suffix> suffix <middle> prefix middle EOS      (their second variant)

    The piece is decoded, cut at two uniform places between characters (ends included), and its parts are tokenized
    anew; half a character at the end of a cut document stays with its prefix or suffix. A piece stays as it is if its
    tokens do not decode to text that they encode (half a word that is read otherwise, a lossy tokenizer), if its parts
    do not decode to its text (a tokenizer that adds or drops the blank at the beginning of a part), if it is shorter
    than ``min_characters``, or if its row has no room for it: nothing is cut off, and the number of EOS does not
    change. The loss is over all tokens, marks included.

    Args:
        tokenizer: a fast tokenizer with the three marks as single tokens.
        parameters: those of ``FillInTheMiddleSection``, under the same names and with its defaults.
            The other arguments are those of ``SectionCollator``.

    Raises:
        DataError: the tokenizer lacks a mark.
        ValueError: a parameter is unknown or out of its range (pydantic's ValidationError).
    """

    Section = FillInTheMiddleSection

    def _prepare(self, tokenizer: Any) -> None:
        self._plain = DataCollatorForCausalLM(
            tokenizer, sequence_length=self.sequence_length, pad_to_multiple_of=self.pad_to_multiple_of
        )
        vocabulary = tokenizer.get_vocab()
        missing = [token for token in self.special_tokens() if token not in vocabulary]
        if missing:
            raise DataError(
                f"the tokenizer has no {', '.join(missing)}; objective.type = fill_in_the_middle needs them as special "
                "tokens: train the tokenizer with this objective, or name the marks that it has"
            )
        self._marks = [vocabulary[token] for token in self.special_tokens()]
        self._backend = copy.deepcopy(tokenizer.backend_tokenizer)  # a call elsewhere may leave padding in the original
        self._backend.no_padding()
        self._backend.no_truncation()
        self._ends = {i for i in (tokenizer.eos_token_id, tokenizer.sep_token_id) if i is not None}
        opens = {i for i in (tokenizer.bos_token_id, tokenizer.cls_token_id) if i is not None}
        self._opens = opens - self._ends  # where both are one token (GPT-2), it ends documents and opens none

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """``input_ids``, ``labels`` and ``position_ids`` as for causal language modeling, int64 ``(B, W)``."""
        keys = sample_keys(samples, self.seed)
        found = [read(sample, row) for row, sample in enumerate(samples)]
        for row, (ids, lengths) in enumerate(found):
            check_ids(ids, len(self.vocabulary.special))
            if lengths.sum() != len(ids):
                raise ValueError(misfit(samples[row].get("index", row), len(ids), lengths, self.sequence_length))
        rows = [_pieces(ids, lengths) for ids, lengths in found]
        plain = ["lengths" not in sample for sample in samples]  # the rows of somebody's dataset are his documents
        draws = [uniform(keys[i : i + 1], _DRAWS * len(row)).reshape(-1, _DRAWS) for i, row in enumerate(rows)]
        places = [(i, j) for i, drawn in enumerate(draws) for j in np.flatnonzero(drawn[:, 0] < self.section.fim_rate)]
        cuts = self._cut(
            [rows[i][j] for i, j in places], np.array([draws[i][j] for i, j in places]), [plain[i] for i, _ in places]
        )
        room = [self.sequence_length - sum(map(len, row)) for row in rows]
        for (i, j), new in zip(places, cuts, strict=True):
            longer = 0 if new is None else len(new) - len(rows[i][j])
            if new is not None and longer <= room[i]:
                room[i] -= longer
                rows[i][j] = new
        return self._plain([_joined(sample, row) for sample, row in zip(samples, rows, strict=True)])

    def _cut(self, pieces: list[Ids], draws: npt.NDArray[np.float64], whole: list[bool]) -> list[Ids | None]:
        """The pieces with their middles last; None for one that has to stay as it is.

        All texts go through the tokenizer together: calls with one text each take four times as long.
        """
        framed = [self._framed(piece) for piece in pieces]
        bodies = [_Body(body[:0], body, body[:0]) for _, body, _ in framed]
        texts = self._decode([body.ids for body in bodies])
        for place, text in enumerate(texts):
            if _HALF in (text[:1], text[-1:]):
                bodies[place] = self._whole_characters(bodies[place].ids)
                (texts[place],) = self._decode([bodies[place].ids])
        fit = [
            self._may_be_cut(frame, text, document) and np.array_equal(again, body.ids)
            for frame, body, text, document, again in zip(
                framed, bodies, texts, whole, self._encode(texts), strict=True
            )
        ]
        chosen = np.flatnonzero(fit)
        parts = []
        for number in chosen:
            text = texts[number]
            first, second = sorted((draws[number, 2:] * (len(text) + 1)).astype(int).tolist())
            parts += [text[:first], text[first:second], text[second:]]
        encoded = self._encode(parts)
        same = [again == part for again, part in zip(self._decode(encoded), parts, strict=True)]
        found: list[Ids | None] = [None] * len(pieces)
        before, after, last = ([mark] for mark in self._marks)
        for place, number in enumerate(chosen.tolist()):
            if not all(same[3 * place : 3 * place + 3]):
                continue
            prefix, middle, suffix = encoded[3 * place : 3 * place + 3]
            prefix = np.concatenate([bodies[number].before, prefix])
            suffix = np.concatenate([suffix, bodies[number].after])
            if draws[number, 1] < self.section.fim_spm_rate:
                order = [before, after, suffix, last, prefix, middle]
            else:
                order = [before, prefix, after, suffix, last, middle]
            opening, _, ending = framed[number]
            found[number] = np.concatenate([np.asarray(part, np.int64) for part in [opening, *order, ending]])
        return found

    def _whole_characters(self, ids: Ids) -> _Body:
        """A part of a document whose ends may be in the middle of a character, which has up to four bytes."""
        some = range(min(_BYTES, len(ids)))
        first = next((k for k in some if not self._decode([ids[k:]])[0].startswith(_HALF)), 0)
        last = len(ids) - next((k for k in some if not self._decode([ids[: len(ids) - k]])[0].endswith(_HALF)), 0)
        return _Body(ids[:first], ids[first:last], ids[last:]) if first < last else _Body(ids[:0], ids, ids[:0])

    def _framed(self, piece: Ids) -> tuple[Ids, Ids, Ids]:
        """Its first token if that opens a document, what is between, its last if that ends one."""
        opens = int(len(piece) > 0 and int(piece[0]) in self._opens)
        ends = int(len(piece) > 0 and int(piece[-1]) in self._ends)
        end = max(opens, len(piece) - ends)
        return piece[:opens], piece[opens:end], piece[end:]

    def _may_be_cut(self, framed: tuple[Ids, Ids, Ids], text: str, whole: bool) -> bool:
        opening, _, ending = framed
        is_document = whole or (bool(len(ending)) and (bool(len(opening)) or not self._opens))
        long_enough = len(text) >= max(1, self.section.min_characters)
        return long_enough and (self.section.level != "document" or is_document)

    def _decode(self, parts: list[Ids]) -> list[str]:
        texts: list[str] = self._backend.decode_batch([part.tolist() for part in parts], skip_special_tokens=False)
        return texts

    def _encode(self, texts: list[str]) -> list[Ids]:
        encoded = self._backend.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(each.ids, np.int64) for each in encoded]


def _pieces(ids: npt.NDArray[Any], lengths: Ids) -> list[Ids]:
    """The documents, or parts of documents, of a row."""
    return np.split(ids.astype(np.int64), np.cumsum(lengths)[:-1]) if lengths.size else []


def _joined(sample: dict[str, Any], pieces: list[Ids]) -> dict[str, Any]:
    if not pieces:  # an empty sample
        return sample
    return rewritten(sample, np.concatenate(pieces), [len(piece) for piece in pieces])
