"""How many tokens span corruption hides, and how long inputs and targets then are. Plain Python: sections ask too."""

from __future__ import annotations

import functools
import math


@functools.cache
def span_counts(length: int, noise_density: float, mean_span_length: float) -> tuple[int, int]:
    """(noise tokens, noise spans) of ``length`` raw tokens (t5 ``random_spans_noise_mask``).

    Rounded half to even in 64 bits, here and nowhere else: the reference rounds in 32 bits in the mask and in 64 in
    the lengths, and the two differ for 247 lengths below 8193. At least one token and one span are noise, at
    least one token is not, and there are never more spans than tokens between them.
    """
    if length < 2:
        return 0, 0
    noise = min(max(round(length * noise_density), 1), length - 1)
    return noise, min(max(round(noise / mean_span_length), 1), noise, length - noise)


def corrupted_lengths(length: int, noise_density: float, mean_span_length: float) -> tuple[int, int]:
    """(places of the inputs, places of the targets) of ``length`` raw tokens, each with its EOS."""
    noise, spans = span_counts(length, noise_density, mean_span_length)
    return length - noise + spans + 1, noise + spans + 1


@functools.cache
def span_corruption_raw_length(sequence_length: int, noise_density: float, mean_span_length: float) -> int:
    """Raw tokens whose inputs fill ``sequence_length`` (t5 ``random_spans_helper``); 568 for 512, .15 and 3.

    As in the reference, half noise is one token less where the targets would be longer than the inputs.
    """
    length = sequence_length - 1
    while corrupted_lengths(length + 1, noise_density, mean_span_length)[0] <= sequence_length:
        length += 1
    inputs, targets = corrupted_lengths(length, noise_density, mean_span_length)
    return length - 1 if noise_density == 0.5 and targets > inputs else length


def poisson(mean: float, *, shortest: int, longest: int) -> list[float]:
    """Probabilities of the lengths ``0 .. longest``: Poisson's, those below ``shortest`` left out."""
    weights = [
        math.exp(length * math.log(mean) - mean - math.lgamma(length + 1)) if length >= shortest else 0.0
        for length in range(longest + 1)
    ]
    return [weight / sum(weights) for weight in weights]


@functools.cache
def blank_infilling_raw_length(sequence_length: int, ratio: float, average: int, longest: int) -> int:
    """Raw tokens whose text with blanks and spans, two tokens more for each span, fit ``sequence_length``.

    The number of spans is random: there is room for its mean and three standard deviations (those of a renewal
    process). A row that draws more keeps the rest of its text.
    """
    probabilities = poisson(average, shortest=1, longest=longest)
    mean = sum(length * p for length, p in enumerate(probabilities))
    variance = sum((length - mean) ** 2 * p for length, p in enumerate(probabilities))
    length = sequence_length
    while length > 1:
        noise = int(ratio * length)
        if length + 2 * math.ceil(noise / mean + 3 * math.sqrt(noise * variance / mean**3) + 1) <= sequence_length:
            break
        length -= 1
    return length
