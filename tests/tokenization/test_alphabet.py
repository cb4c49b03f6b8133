from __future__ import annotations

from pretraining.tokenization.alphabet import find_alphabet

TEXT = ["a" * 60 + "b" * 30, "c" * 8 + "é中"]


def test_the_rarest_characters_beyond_the_coverage_are_left_out() -> None:
    def kept(coverage: float) -> str:
        return "".join(find_alphabet(TEXT, coverage, str).characters)

    assert kept(1.0) == "\n abcé中"
    assert kept(0.98) == "\n abc"
    assert kept(0.99) == "\n abcé"  # of two that are equally rare, the one with the smaller code point stays
    assert kept(0.9) == "\n ab"


def test_a_small_text_keeps_every_character_at_the_usual_coverage() -> None:
    assert len(find_alphabet(TEXT, 0.99995, str).characters) == 7


def test_what_is_left_out_ends_a_word() -> None:
    alphabet = find_alphabet(TEXT, 0.98, str)
    assert alphabet.restrict("ab中ab 😀") == "ab\nab \n"
    assert alphabet.restrict("") == ""
    assert list(alphabet.restricted(["ABC中"], str.lower)) == ["abc\n"]


def test_coverage_of_the_most_frequent() -> None:
    assert find_alphabet(TEXT, 1.0, str).coverage(2) == 0.9
