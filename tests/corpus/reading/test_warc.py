from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from pretraining.corpus.reading import archive
from pretraining.corpus.reading.archive import ArchiveRecord, read_records

TEXT = (
    "The Constitution asks the President to tell Congress, from time to time, how the country is doing, and he does. "
)


def record(kind: str, content: bytes, *, length: int | None = None, **headers: str) -> bytes:
    """One WARC record."""
    headers = {"WARC-Date": "2024-05-01T12:00:00Z", "WARC-Target-URI": "https://example.org/a", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    size = len(content) if length is None else length
    return f"WARC/1.0\r\nWARC-Type: {kind}\r\n{lines}Content-Length: {size}\r\n\r\n".encode() + content + b"\r\n\r\n"


def http(body: str, type_: str = "text/html; charset=utf-8", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {type_}\r\n\r\n{body}".encode()


def html(n: int) -> str:
    return f"<html><head><title>Page {n}</title></head><body><main><p>{n}: {TEXT * 3}</p></main></body></html>"


def page(n: int) -> bytes:
    return record("response", http(html(n)), Content_Type="application/http; msgtype=response")


RECORDS = [
    record("warcinfo", b"software: x"),
    page(1),
    record("request", b"GET / HTTP/1.1\r\n\r\n"),
    page(2),
    record("response", http("x", "image/png")),
    record("response", http(html(3), status="404 Not Found")),
    record("revisit", http("")),
    record("resource", b"plain  text\n", Content_Type="text/plain"),
    record("resource", b"log", Content_Type="text/plain", WARC_Target_URI="metadata://wget/log"),
    page(4),
]


def write(path: Path, records: list[bytes], *, compressed: bool = False) -> Path:
    path.write_bytes(b"".join(map(gzip.compress, records) if compressed else records))
    return path


def warcio_count(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(1 for _ in ArchiveIterator(stream))


def numbers(result: object) -> list[int | None]:
    return [doc.record for doc in result.docs]  # type: ignore[attr-defined]


@pytest.mark.parametrize("compressed", [True, False])
def test_pages_become_documents_and_all_else_is_counted(tmp_path: Path, read: Callable, compressed: bool) -> None:
    path = write(tmp_path / ("a.warc.gz" if compressed else "a.warc"), RECORDS, compressed=compressed)
    result = read(type="warc", path=path.name, extractor="resiliparse")
    assert numbers(result) == [2, 4, 8, 10] and not result.lost
    first, _, plain, last = result.docs
    assert first.text.startswith("1: The Constitution") and first.id == f"s/{path.name}:2"
    assert first.fields == {
        "url": "https://example.org/a",
        "date": "2024-05-01T12:00:00Z",
        "content_type": "text/html",
        "title": "Page 1",
    }
    assert plain.text == "plain  text\n" and plain.fields["content_type"] == "text/plain"
    assert last.offset == sum(map(len, RECORDS[:-1]))
    assert result.skipped == {
        "image/png": 1,
        "metadata address": 1,
        "request": 1,
        "revisit": 1,
        "status 404": 1,
        "warcinfo": 1,
    }
    assert len(result.docs) + sum(result.skipped.values()) == warcio_count(path) == len(RECORDS)
    assert result.advanced == result.size


def test_wet_text_is_kept_as_it_is(tmp_path: Path, read: Callable) -> None:
    text = "Menü\nText\n国情\n"
    write(tmp_path / "a.warc.wet.gz", [record("conversion", text.encode(), Content_Type="text/plain")], compressed=True)
    assert list(read(type="warc", path="a.warc.wet.gz").texts.values()) == [text]


def arc(url: str, type_: str, content: bytes) -> bytes:
    return f"{url} 1.2.3.4 20080430204825 {type_} {len(content)}\n".encode() + content + b"\n"


@pytest.mark.parametrize("compressed", [True, False])
def test_arc(tmp_path: Path, read: Callable, compressed: bool) -> None:
    version = b"1 1 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n"
    records = [
        arc("filedesc://x.arc", "text/plain", version),
        arc("dns:example.org", "text/dns", b"20080430204825\nexample.org. 1 IN A 1.2.3.4"),
        arc("http://example.org/", "text/html", http(html(1))),
        arc("http://example.org/old", "text/html", html(2).encode()),
    ]
    path = write(tmp_path / ("a.arc.gz" if compressed else "a.arc"), records, compressed=compressed)
    result = read(type="warc", path=path.name, extractor="resiliparse")
    assert numbers(result) == [3, 4] and not result.lost
    assert result.docs[0].fields["date"] == "2008-04-30T20:48:25Z"
    assert result.skipped == {"arc_header": 1, "dns address": 1}
    assert warcio_count(path) == 4


DAMAGED = {
    "no length": b"WARC/1.0\r\nWARC-Type: response\r\n\r\nx\r\n\r\n",
    "length too small": record("response", http(html(9)), length=60),
    "length too large": record("response", http(html(9)), length=5000),
    "length no number": record("response", http(html(9))).replace(b"Content-Length: ", b"Content-Length: x"),
    "a missing end of header": page(9)[:31],
    "bytes between": b"\x00\x01 something\nelse\n",
    "a line of text": b"This is no archive\r\n\r\n",
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("last", [True, False])
def test_a_damaged_record_costs_itself(tmp_path: Path, read: Callable, name: str, last: bool) -> None:
    damaged = DAMAGED[name]
    write(tmp_path / "a.warc", [page(1), damaged, *([] if last else [page(2), page(3)])])
    result = read(type="warc", path="a.warc", extractor="resiliparse")
    assert numbers(result) == ([1] if last else [1, 3, 4])
    (lost,) = result.lost
    assert (lost.record, lost.offset) == (2, len(page(1)))
    assert lost.reason == "bad_record" or (last and lost.reason == "truncated")
    assert last or lost.bytes == len(damaged)


def test_a_length_beyond_what_is_held_costs_the_rest(tmp_path: Path, read: Callable) -> None:
    write(tmp_path / "a.warc", [page(1), record("response", http(html(9)), length=10**12), page(2)])
    result = read(type="warc", path="a.warc", extractor="resiliparse")
    assert numbers(result) == [1] and result.reasons == [(2, "truncated")]


def test_a_damaged_gzip_member_costs_its_record(tmp_path: Path, read: Callable) -> None:
    members = [bytearray(gzip.compress(page(n))) for n in range(1, 6)]
    members[1][60:90] = b"\xff" * 30
    members[3][0:20] = b"\xff" * 20  # not even its beginning
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(members))
    result = read(type="warc", path="a.warc.gz", extractor="resiliparse")
    assert [doc.fields["title"] for doc in result.docs] == ["Page 1", "Page 3", "Page 5"]
    assert result.reasons == [(2, "bad_record"), (4, "bad_record")]


@pytest.mark.parametrize("cut", [5, 150])
def test_a_truncated_file_is_told_once(tmp_path: Path, read: Callable, cut: int) -> None:
    data = b"".join(gzip.compress(page(n)) for n in range(1, 4))
    (tmp_path / "a.warc.gz").write_bytes(data[:-cut])
    result = read(type="warc", path="a.warc.gz", extractor="resiliparse")
    assert numbers(result)[:2] == [1, 2] and [reason for _, reason in result.reasons] == ["truncated"]


def test_a_truncated_file_that_is_not_compressed(tmp_path: Path, read: Callable) -> None:
    (tmp_path / "a.warc").write_bytes((page(1) + page(2))[:-200])
    result = read(type="warc", path="a.warc", extractor="resiliparse")
    assert numbers(result) == [1] and result.reasons == [(2, "truncated")]


def test_records_that_are_too_large(tmp_path: Path, read: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BODY", 300)
    film = record("response", http("x" * 3000, "video/mp4"))
    write(tmp_path / "a.warc", [record("response", http("short", "text/plain")), film, page(3)])
    result = read(type="warc", path="a.warc")
    assert numbers(result) == [1] and result.reasons == [(3, "too_large")] and result.skipped == {"video/mp4": 1}


def test_pages_without_a_type_are_known_by_their_beginning(tmp_path: Path, read: Callable) -> None:
    bare = [f"HTTP/1.1 200 OK\r\n\r\n{body}".encode() for body in ("\n<!DOCTYPE html>" + html(1), "%PDF-1.4")]
    write(tmp_path / "a.warc", [record("response", content) for content in bare])
    result = read(type="warc", path="a.warc", extractor="resiliparse")
    assert numbers(result) == [1] and result.skipped == {"no content type": 1}


def test_what_the_crawler_identified_wins(tmp_path: Path, read: Callable) -> None:
    pdf = record("response", http("%PDF-1.4", "text/html"), WARC_Identified_Payload_Type="application/pdf")
    write(tmp_path / "a.warc", [pdf, page(2)])
    assert read(type="warc", path="a.warc", extractor="resiliparse").skipped == {"application/pdf": 1}


def test_pages_in_old_encodings_and_compressions(tmp_path: Path, read: Callable) -> None:
    text = "国情咨文是美国总统每年在国会联席会议上发表的报告，阐述政府的施政方针。" * 3
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=gbk\r\nContent-Encoding: gzip\r\n\r\n"
    body = gzip.compress(f"<html><body><p>{text}</p></body></html>".encode("gb18030"))
    write(tmp_path / "a.warc", [record("response", head + body), record("response", head + body[:10] + b"\xff" * 40)])
    result = read(type="warc", path="a.warc", extractor="resiliparse")
    assert text in result.docs[0].text and result.reasons == [(2, "bad_http")]


def test_a_page_without_text_is_unreadable(tmp_path: Path, read: Callable) -> None:
    write(tmp_path / "a.warc", [record("response", http("<html><img src=a></html>")), page(2)])
    result = read(type="warc", path="a.warc")
    assert numbers(result) == [2] and result.reasons == [(1, "no_text")]


def chunked(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    position = 0
    for size in sizes:
        yield data[position : position + size]
        position += size
    yield data[position:]


@given(st.lists(st.integers(0, 300), max_size=40), st.lists(st.sampled_from([*RECORDS, *DAMAGED.values()]), max_size=6))
def test_where_chunks_end_changes_nothing_and_no_byte_is_lost(sizes: list[int], parts: list[bytes]) -> None:
    data = b"".join(parts)
    records: list[ArchiveRecord] = list(read_records(chunked(data, sizes)))
    assert records == list(read_records(iter([data])))
    ends = [(r.offset, r.offset + r.size) for r in records]
    covered = b"".join(data[start:end] for start, end in ends)
    gaps = data if not ends else data[: ends[0][0]]
    for (_, end), (start, _) in zip(ends, [*ends[1:], (len(data), 0)], strict=False):
        assert end <= start
        gaps += data[end:start]
    assert not gaps.strip(b"\r\n") and len(covered) + len(gaps) == len(data)
