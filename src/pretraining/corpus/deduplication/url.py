"""``url_deduplication``: documents with the same address."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from pretraining.corpus.deduplication.base import DocumentDeduplication
from pretraining.corpus.deduplication.hashing import hash_pair
from pretraining.corpus.deduplication.parts import Shape
from pretraining.corpus.draft import Draft
from pretraining.corpus.step import Rule

_PORTS = {"http": 80, "https": 443}


def normalized_url(url: str) -> str:
    """The address without what does not tell pages apart.

    Gone are: the scheme (http and https), the user, ``www.``, the default port, the fragment, slashes at the end of
    the path, and the parameters ``utm_*``. Host in lower case. What cannot be split is left as it is.
    """
    url = url.strip()
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        return url
    host = (parts.hostname or "").rstrip(".").removeprefix("www.")
    if port is not None and port != _PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    scheme = "" if parts.scheme in _PORTS else f"{parts.scheme}://"
    query = "&".join(part for part in parts.query.split("&") if part and not part.lower().startswith("utm_"))
    return f"{scheme}{host}{parts.path.rstrip('/')}{f'?{query}' if query else ''}"


class UrlDeduplication(DocumentDeduplication):
    """Group documents of equal address."""

    rules = (Rule("duplicate_url", ">=", unit="share"),)
    shape = Shape(bands=1, rows=2, precision=64)

    def parameters(self) -> dict[str, Any]:
        """See the base class: an address is an address."""
        return {}

    def signature(self, draft: Draft) -> NDArray[np.uint64] | None:
        """The hash of the address; None without one."""
        url = draft.fields.get(self.section.url_field)
        if not isinstance(url, str) or not url.strip():
            return None
        return np.array(hash_pair(normalized_url(url)), dtype=np.uint64)
