"""Memory and speed of the ``url_filter`` step, and of datatrove's ``URLFilter`` with the same lists.

    python tests/benchmarks/url_filter.py ours        # or: datatrove
    python tests/benchmarks/url_filter.py agree       # both, on 40,000 URLs: needs 900 MB and half a minute

URLs are made from the lists themselves (every 400th domain, as it is and with a subdomain) and from harmless words.
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tldextract

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters.url import UrlFilter
from pretraining.corpus.filters.url_lists import stock_archive, stock_words
from pretraining.corpus.sections.cleaning import UrlFilterStep
from pretraining.corpus.step import Preparation, apply

REASONS = {
    "domain": "blocked_domain",
    "subdomain": "blocked_subdomain",
    "url": "blocked_url",
    "hard_blacklisted": "hard_word",
    "soft_blacklisted": "too_many_soft_words",
    "blacklisted_subword": "subword",
}


def urls() -> list[str]:
    """40,000 URLs, about two thirds of them listed."""
    with tarfile.open(stock_archive(), "r|gz") as tar:
        lists = {m.name: [line.decode().strip() for line in tar.extractfile(m) or []] for m in tar}
    made = []
    for i, domain in enumerate(lists["domains"][::400]):
        made += [f"https://{domain}/page/{i}", f"http://www{i % 7}.{domain}/"]
        made += [f"https://en.example{i}.org/wiki/State_of_the_Union_{i}.html"]
    words = [*sorted(stock_words("banned_words")), *sorted(stock_words("soft_banned_words"))]
    for i, url in enumerate(lists["urls"][::10]):
        made += [url, f"https://{url}", f"https://example.org/{words[i % len(words)]}/{words[-i % len(words)]}-{i}"]
    return made[:40_000]


def resident() -> float:
    """MB of this process in memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def ours() -> Callable[[str], str | None]:
    """The step, prepared in a folder of its own; the time that took is printed."""
    folder = Path(tempfile.mkdtemp())
    preparation = Preparation(base=folder, folder=folder, sources={}, held_out=0.0)
    if os.fork() == 0:  # as in the engine, the parent prepares and others look up
        start = time.perf_counter()
        UrlFilter(UrlFilterStep(type="url_filter")).prepare(preparation)
        print(f"prepare {time.perf_counter() - start:.1f} s, {resident():.0f} MB resident")
        os._exit(0)
    os.wait()
    step = UrlFilter(UrlFilterStep(type="url_filter"))
    step.open(preparation)

    def decide(url: str) -> str | None:
        verdict = apply(step, Draft("text", "id", source="s", file="f", fields={"url": url}))
        return verdict.reason if verdict else None

    return decide


def stock() -> Callable[[str], str | None]:
    """datatrove's filter, with the list of public suffixes that tldextract brings along."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import URLFilter

    urlfilter = URLFilter()
    urlfilter.tldextractor = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    def decide(url: str) -> str | None:
        result = urlfilter.filter(Document("text", "id", metadata={"url": url}))
        return None if result is True else REASONS[result[1]]

    return decide


def measure(name: str, make: Callable[[], Callable[[str], str | None]], given: list[str]) -> list[str | None]:
    """What is decided about each URL; memory and speed are printed."""
    before = resident()
    decide = make()
    decide(given[0])
    start = time.perf_counter()
    decisions = [decide(url) for url in given]
    seconds = time.perf_counter() - start
    print(f"{name}: {len(given) / seconds:,.0f} URLs/s, {resident() - before:.0f} MB more than before")
    return decisions


if __name__ == "__main__":
    what, given = sys.argv[1], urls()
    decisions = {
        name: measure(name, make, given)
        for name, make in (("ours", ours), ("datatrove", stock))
        if what in (name, "agree")
    }
    if what == "agree":
        same = sum(a == b for a, b in zip(decisions["ours"], decisions["datatrove"], strict=True))
        print(f"the same decision and reason for {same:,} of {len(given):,} URLs")
        print({reason: decisions["ours"].count(reason) for reason in [None, *REASONS.values()]})
