"""A stored HTTP response: status, headers, and the payload without its transfer and content encodings."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from pretraining.corpus.reading.records import Unfit

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? +(\d{3})")
_CHUNK = re.compile(rb"\s*([0-9A-Fa-f]+)[^\r\n]*\r?\n")


@dataclass(frozen=True)
class Response:
    """``headers`` by name in lower case; ``body`` as it was sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    def payload(self) -> bytes:
        """The body as the server meant it; Unfit with ``bad_http`` where its compression is unknown or damaged."""
        body = self.body
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            body = _dechunk(body)
        for coding in reversed(self.headers.get("content-encoding", "").lower().split(",")):
            body = _decompress(body, coding.strip())
        return body


def parse_response(data: bytes) -> Response | None:
    """The response, or None where the bytes do not begin with a status line."""
    match = _STATUS.match(data)
    if match is None:
        return None
    end = re.compile(rb"\r?\n\r?\n").search(data)
    head, body = (data[: end.start()], data[end.end() :]) if end else (data, b"")
    return Response(int(match.group(1)), parse_headers(head.split(b"\n")[1:]), body)


def parse_headers(lines: list[bytes]) -> dict[str, str]:
    """Headers by name in lower case; of several of a name the last, and lines that are no header are passed over."""
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if text[:1] in (" ", "\t") and name:  # a folded line goes on with the header before
            headers[name] += " " + text.strip()
            continue
        key, colon, value = text.partition(":")
        if colon:
            name = key.strip().lower()
            headers[name] = value.strip()
    return headers


def _dechunk(body: bytes) -> bytes:
    """The chunks put together; the body itself where the archive stored it that way already."""
    parts: list[bytes] = []
    position = 0
    while match := _CHUNK.match(body, position):
        size = int(match.group(1), 16)
        if size == 0:
            return b"".join(parts)
        if not parts and match.end() + size > len(body) + 2:
            break  # a text that happens to begin with such a line
        parts.append(body[match.end() : match.end() + size])
        position = match.end() + size
    return b"".join(parts) if parts else body


def _decompress(body: bytes, coding: str) -> bytes:
    """Of a body that is cut off, what is there. Archives often keep the header of a compression they have undone."""
    try:
        if coding in ("gzip", "x-gzip") and body.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(wbits=31).decompress(body)
        if coding == "deflate" and body:
            return _inflate(body)
        if coding == "br" and body:
            import brotli

            return bytes(brotli.Decompressor().process(body))
        if coding == "zstd" and body.startswith(b"\x28\xb5\x2f\xfd"):
            import zstandard

            return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(body))
    except Exception:  # zlib, brotli and zstandard have errors of their own
        raise Unfit("bad_http") from None
    return body


def _inflate(body: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(body)
    except zlib.error:  # half of all servers send it without the header that the standard asks for
        return zlib.decompressobj(wbits=-15).decompress(body)
