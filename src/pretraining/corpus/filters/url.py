"""The ``url_filter`` step: pages whose address is listed, or says what they are about."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import tldextract

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.url_lists import (
    NO_LETTER_OR_DIGIT,
    HashSet,
    normalized_words,
    own_list,
    stock_archive,
    stock_words,
    write_stock_lists,
)
from pretraining.corpus.sections.cleaning import UrlFilterStep
from pretraining.corpus.step import Preparation, Rule, Step

_SCHEME = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)


class UrlFilter(Step):
    """``url_filter``: datatrove's lists as sorted 64-bit hashes in a file that all processes map (36.6 MB in all).

    Two domains share a hash with odds of 2 x 10^-13 per URL looked up. Values are 1 or 0 (listed or not) and counts of
    words; NaN for documents without a URL, and for those that ``allow`` names.
    """

    rules = (
        Rule("blocked_domain", ">", None, "listed"),
        Rule("blocked_subdomain", ">", None, "listed"),
        Rule("blocked_url", ">", None, "listed"),
        Rule("hard_word", ">", None, "words"),
        Rule("too_many_soft_words", ">=", "min_soft_words", "words"),
        Rule("subword", ">", None, "words"),
    )

    def __init__(self, section: UrlFilterStep, *, measure_all: bool = False) -> None:
        super().__init__(section, measure_all=measure_all)
        stock = stock_words if section.stock_lists else _no_words
        self._hard = stock("banned_words") | normalized_words(section.hard_words)
        self._soft = stock("soft_banned_words") | normalized_words(section.soft_words)
        self._subwords = sorted(stock("banned_subwords") | normalized_words(section.subwords))

    def prepare(self, preparation: Preparation) -> None:
        """Write the hashes of datatrove's lists into the step's folder (about 4 s), and read the own lists.

        Raises:
            DataError: datatrove's lists are not where it installs them, or an own list cannot be read.
        """
        for key in ("block", "allow"):
            own_list(getattr(self.section, key), key, preparation.base)
        if self.section.stock_lists:
            write_stock_lists(stock_archive(), preparation.folder)

    def open(self, preparation: Preparation) -> None:
        """Map the hashes."""
        stock = self.section.stock_lists
        self._domains = HashSet(preparation.folder / "domains.npy" if stock else None)
        self._urls = HashSet(preparation.folder / "urls.npy" if stock else None)
        self._block, self._allow = (
            set(map(_own_entry, own_list(getattr(self.section, key), key, preparation.base)))
            for key in ("block", "allow")
        )
        self._split = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # the list that it brings along

    def run(self, draft: Draft) -> Iterator[float]:
        """Look the URL up."""
        url = draft.fields.get(self.section.url_field)
        if not isinstance(url, str) or not url.strip() or self._is_allowed(url):
            yield from [math.nan] * len(self.rules)
            return
        domain, host = self._domain_and_host(url)
        yield float(domain in self._domains or _in_domains(url, self._block))
        yield float(host in self._domains or self._parent_is_listed(url))
        yield float(url in self._urls or self._bare_is_listed(url))
        words = set(NO_LETTER_OR_DIGIT.split(url))
        yield float(len(words & self._hard))
        yield float(len(words & self._soft))
        together = NO_LETTER_OR_DIGIT.sub("", url).lower()
        yield float(sum(word in together for word in self._subwords))

    def _domain_and_host(self, url: str) -> tuple[str, str]:
        """The registered domain and the full host; both empty where the host has no known ending."""
        parts = self._split(url)
        return parts.top_domain_under_public_suffix, parts.fqdn

    def _bare_is_listed(self, url: str) -> bool:
        bare = _bare(url)
        return bare in self._block or (
            self.section.match == "thorough" and (bare in self._urls or bare + "/" in self._urls)
        )

    def _is_allowed(self, url: str) -> bool:
        return bool(self._allow) and (_bare(url) in self._allow or _in_domains(url, self._allow))

    def _parent_is_listed(self, url: str) -> bool:
        return self.section.match == "thorough" and any(host in self._domains for host in _parents(_host(url)))


def _no_words(_: str) -> set[str]:
    return set()


def _host(url: str) -> str:
    """The host, in lower case, without port, user and last dot; empty if there is none."""
    try:
        host = urlsplit(url if _SCHEME.match(url) else f"//{url}").hostname
    except ValueError:  # brackets that are no IPv6 address
        return ""
    return (host or "").rstrip(".")


def _parents(host: str) -> list[str]:
    """The host and all domains above it: ``a.b.c`` -> ``a.b.c``, ``b.c``, ``c``."""
    labels = host.split(".") if host else []
    return [".".join(labels[i:]) for i in range(len(labels))]


def _bare(url: str) -> str:
    """What counts of a URL: host in lower case, path and query; no scheme, ``www.`` and last ``/``."""
    host, slash, rest = _SCHEME.sub("", url.strip()).partition("/")
    return (host.lower().removeprefix("www.") + slash + rest).rstrip("/")


def _own_entry(entry: str) -> str:
    """A domain as it is, in lower case (``www.`` counts); a URL as ``_bare`` has it."""
    address = _SCHEME.sub("", entry).rstrip("/")
    return _bare(address) if "/" in address else address.lower()


def _in_domains(url: str, own: set[str]) -> bool:
    """Whether an own list names the URL's host or a domain above it."""
    return bool(own) and any(host in own for host in _parents(_host(url)))
