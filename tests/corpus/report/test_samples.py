from __future__ import annotations

from pretraining.corpus.report.samples import CUT, SHOWN, masked, masked_difference

ADDRESS = "jane.doe@harbour-mail.com"


def test_short_texts_are_whole_and_long_ones_cut() -> None:
    assert masked("A short text.") == "A short text."
    long = masked("word " * 1000)
    assert long.endswith(" …") and len(long) == SHOWN + 2


def test_nothing_is_masked_in_half_wherever_the_cut_is() -> None:
    for before in range(0, 900):
        shown = masked("a" * before + f" {ADDRESS} " + "b" * 900)
        assert "jane" not in shown and "harbour" not in shown


def test_many_addresses_that_become_shorter_bring_no_half_one_into_view() -> None:
    text = " ".join(f"somebody.with.a.long.name.{i}@harbour-mail-{i}.com" for i in range(100))
    assert "somebody" not in masked(text) and "harbour" not in masked(text)


def test_differences_keep_their_signs_and_lose_the_values() -> None:
    diff = f"--- \n+++ \n@@ -1,2 +1 @@\n same\n-write to {ADDRESS}\n+write"
    assert masked_difference(diff) == [
        ("@", "@@ -1,2 +1 @@"),
        (" ", "same"),
        ("-", "write to [EMAIL_ADDRESS]"),
        ("+", "write"),
    ]


def test_lines_that_were_cut_lose_their_end() -> None:
    ((_, line),) = masked_difference("-" + "a" * (CUT + 60) + " jane.doe@harbour-m")
    assert line == "a" * CUT + " …"
