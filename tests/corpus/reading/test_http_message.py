from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard

from pretraining.corpus.reading.http_message import parse_headers, parse_response
from pretraining.corpus.reading.records import Unfit

BODY = b"<html>We the People of the United States</html>"


def payload(body: bytes, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    response = parse_response(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body)
    assert response is not None and response.status == 200
    return response.payload()


def deflate(data: bytes) -> bytes:
    raw = zlib.compressobj(wbits=-15)
    return raw.compress(data) + raw.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)),
        ("x-gzip", gzip.compress(BODY, mtime=0)),
        ("deflate", zlib.compress(BODY)),
        ("deflate", deflate(BODY)),
        ("br", brotli.compress(BODY)),
        ("zstd", zstandard.compress(BODY)),
        ("gzip", BODY),  # the archive has decompressed it, and kept the header
        ("identity", BODY),
        ("deflate, gzip", gzip.compress(zlib.compress(BODY), mtime=0)),
    ],
)
def test_content_encodings(coding: str, body: bytes) -> None:
    assert payload(body, Content_Encoding=coding) == BODY


def test_a_compressed_body_that_is_cut_off_gives_what_is_there() -> None:
    assert BODY.startswith(payload(gzip.compress(BODY, mtime=0)[:-12], Content_Encoding="gzip"))
    with pytest.raises(Unfit, match="bad_http"):
        payload(gzip.compress(BODY, mtime=0)[:10] + b"\xff" * 30, Content_Encoding="gzip")


def test_chunks_are_put_together() -> None:
    chunked = b"".join(b"%x;note=1\r\n%s\r\n" % (len(part), part) for part in (BODY[:20], BODY[20:])) + b"0\r\n\r\n"
    assert payload(chunked, Transfer_Encoding="chunked") == BODY
    assert payload(chunked[:-30], Transfer_Encoding="chunked") == BODY[: 20 + len(BODY[20:]) - 23]
    assert payload(BODY, Transfer_Encoding="chunked") == BODY  # stored without them
    assert payload(b"beef is a word\nand more", Transfer_Encoding="chunked") == b"beef is a word\nand more"


def test_status_and_headers() -> None:
    response = parse_response(b"HTTP/1.0 404 Not Found\nContent-Type: text/html\n\nbody\n\nmore")
    assert response is not None
    assert (response.status, response.headers, response.body) == (404, {"content-type": "text/html"}, b"body\n\nmore")
    assert parse_response(b"20080430204825\nwww.archive.org.") is None
    assert parse_headers([b"A: 1\r", b" 2", b"no header", b"a: 3"]) == {"a": "3"}
    assert parse_headers([b"A: 1\r", b"\t2\r"]) == {"a": "1 2"}
