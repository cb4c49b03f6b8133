from __future__ import annotations

import pytest

from pretraining.corpus.reading.encoding import SAMPLE, decode, decode_page, detect, sniffed
from pretraining.corpus.reading.records import Unfit

CHINESE = "国情咨文是美国总统每年在国会发表的报告，阐述政府的施政方针。" * 5
FRENCH = "Le général a décidé, après la réunion d'été, que les élèves iraient à la forêt. " * 5
JAPANESE = "大統領は毎年、議会に対して国の現状を報告しなければならない。これは憲法に定められている。" * 5
RUSSIAN = "Президент ежегодно выступает с посланием перед обеими палатами парламента страны. " * 5


@pytest.mark.parametrize(
    ("data", "encoding", "reason", "at"),
    [
        (b"caf\xe9", "utf-8", "invalid_encoding", 3),
        (b"\x7fELF\x02\0\0", "utf-8", "binary", 5),
        (b"\xff\xfeW\0e\0", "utf-8", "binary", 0),
        (b" \n\t\n", "utf-8", "empty", 0),
        (b"", "utf-8", "empty", 0),
        (b"\xef\xbb\xbf", "utf-8", "empty", 0),
    ],
)
def test_what_is_no_text(data: bytes, encoding: str, reason: str, at: int) -> None:
    with pytest.raises(Unfit) as caught:
        decode(data, encoding, first=True)
    assert (caught.value.reason, caught.value.at) == (reason, at)


def test_encodings_and_byte_order_marks() -> None:
    assert decode("国情咨文".encode("gb18030"), "gb18030", first=True) == "国情咨文"
    assert decode("naïve".encode("utf-16"), "utf-16", first=True) == "naïve"
    assert decode(b"\xef\xbb\xbfWe", "utf-8", first=True) == "We"
    assert decode(b"\xef\xbb\xbfWe", "utf-8", first=False) == "\ufeffWe"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        (CHINESE, "utf-8"),
        (CHINESE, "utf-16"),
        (FRENCH, "cp1252"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
    ],
)
def test_detection(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert decode(data, detect(data), first=True) == text


def test_a_cut_character_does_not_hide_utf8() -> None:
    data = CHINESE.encode() * 200
    assert SAMPLE % 3 and detect(data[:SAMPLE]) == "utf-8"
    assert detect(b"caf\xe9") != "utf-8"  # nothing was cut here


def test_what_was_looked_at_is_still_read() -> None:
    data = FRENCH.encode("cp1252")
    chunks, encoding = sniffed(iter([data[:50], data[50:]]), "auto")
    assert b"".join(chunks) == data and data.decode(encoding) == FRENCH
    same = [b"x"]
    assert sniffed(same, "gb18030") == (same, "gb18030")


def test_a_page_says_its_encoding() -> None:
    page = f'<html><head><meta http-equiv="Content-Type" content="text/html; charset=gb2312"></head>{CHINESE}'
    assert decode_page(page.encode("gb18030"), "auto") == (page, 0)
    bare = f"<html>{RUSSIAN}"
    assert decode_page(bare.encode("koi8_r"), "auto", "text/html; charset=KOI8-R") == (bare, 0)
    assert decode_page(bare.encode("utf-16"), "auto", "text/html; charset=KOI8-R") == (bare, 0)


def test_latin_1_means_what_browsers_make_of_it() -> None:
    assert decode_page(b"<p>\x93We\x94</p>", "auto", "text/html; charset=iso-8859-1")[0] == "<p>“We”</p>"


def test_a_page_that_says_a_wrong_encoding() -> None:
    page = f"<html><meta charset=utf-8>{RUSSIAN}"
    assert decode_page(page.encode("cp1251"), "auto") == (page, 0)
    assert decode_page(page.encode(), "auto", "text/html; charset=no-such") == (page, 0)


def test_one_broken_character_in_a_page_is_replaced_and_counted() -> None:
    page = "<meta charset=utf-8>" + CHINESE * 10
    text, replaced = decode_page(page.encode()[:-1], "auto")
    assert text == page[:-1] + "\ufffd" and replaced == 1


def test_pages_that_are_no_text() -> None:
    for data, reason in ((b"<html>\0\0", "binary"), (b" ", "empty"), (b"", "empty")):
        with pytest.raises(Unfit, match=reason):
            decode_page(data, "auto")
