from __future__ import annotations

import io
import itertools
import math
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tldextract
from datatrove.data import Document
from datatrove.pipeline.filters import URLFilter

from pretraining.corpus.draft import Draft
from pretraining.corpus.filters import url as url_module
from pretraining.corpus.filters.url import UrlFilter
from pretraining.corpus.filters.url_lists import HashSet, stock_archive, stock_words
from pretraining.corpus.sections.cleaning import UrlFilterStep
from pretraining.corpus.step import Preparation, apply
from pretraining.errors import DataError

REASONS = {
    "domain": "blocked_domain",
    "subdomain": "blocked_subdomain",
    "url": "blocked_url",
    "hard_blacklisted": "hard_word",
    "soft_blacklisted": "too_many_soft_words",
    "blacklisted_subword": "subword",
}
Make = Callable[..., UrlFilter]


@pytest.fixture(scope="module")
def lists() -> dict[str, list[str]]:
    """The first 300 entries of each of datatrove's lists, and names of every depth that are not in them."""
    with tarfile.open(stock_archive(), "r|gz") as tar:
        found = {
            member.name: [line.decode().strip() for line in itertools.islice(tar.extractfile(member) or [], 300)]
            for member in tar
        }
    found["domains"] += ["listed.example.com", "example.co.uk", "10.0.0.1", "localhost"]
    return found


@pytest.fixture
def make(lists: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """``make(key=value)``: the step, prepared with the short lists, copied to a task, and opened there."""
    with tarfile.open(tmp_path / "lists.tar.gz", "w:gz") as tar:
        for name, entries in lists.items():
            content = "\n".join(entries).encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(url_module, "stock_archive", lambda: tmp_path / "lists.tar.gz")
    preparation = Preparation(base=tmp_path, folder=tmp_path, sources={}, held_out=0.0)

    def made(measure_all: bool = False, **keys: Any) -> UrlFilter:
        section = UrlFilterStep.model_validate({"type": "url_filter", **keys})
        step = UrlFilter(section, measure_all=measure_all)
        step.prepare(preparation)
        step = pickle.loads(pickle.dumps(step))
        step.open(preparation)
        return step

    return made


def reason(step: UrlFilter, url: object) -> str | None:
    verdict = apply(step, Draft("text", "id", source="s", file="f", fields={"url": url}))
    return verdict.reason if verdict else None


def urls_from(lists: dict[str, list[str]]) -> list[str]:
    made = ["https://en.example.org/wiki/State_of_the_Union", "http://10.0.0.1/", "http://localhost:8080/x", "no url"]
    for domain in lists["domains"][::3] + lists["domains"][-4:]:
        made += [f"https://{domain}/page", f"http://www.{domain}", f"https://a.b.{domain}:8080/?q=1", domain.upper()]
    for entry in lists["urls"][::6]:
        made += [entry, f"http://{entry}", f"https://www.{entry}/"]
    hard, soft, sub = (sorted(stock_words(name)) for name in ("banned_words", "soft_banned_words", "banned_subwords"))
    for word in hard[::5]:
        made += [f"https://example.org/{word}", f"https://example.org/{word.upper()}", f"https://example.org/x{word}x"]
    for first, second in zip(soft[::4], soft[1::4], strict=False):
        made += [
            f"https://example.org/{first}",
            f"https://example.org/{first}-{second}",
            f"https://{first}.example/{first}",
        ]
    for word in sub[::4]:
        made += [f"https://example.org/x{word}x", f"https://example.org/{word[:3]}-{word[3:].upper()}"]
    return made


def test_the_decisions_and_reasons_are_datatroves(make: Make, lists: dict[str, list[str]]) -> None:
    stock = URLFilter(
        extra_domains=lists["domains"],
        extra_urls=lists["urls"],
        banned_words=stock_words("banned_words"),
        banned_subwords=stock_words("banned_subwords"),
        soft_banned_words=stock_words("soft_banned_words"),
        use_integrated_lists=False,
    )
    stock.tldextractor = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    step = make()
    found = set()
    for url in urls_from(lists):
        result = stock.filter(Document("text", "id", metadata={"url": url}))
        expected = None if result is True else REASONS[result[1]]
        assert reason(step, url) == expected, url
        found.add(expected)
    assert found == {None, *REASONS.values()}
    assert len(urls_from(lists)) > 700


def test_the_words_are_those_that_datatroves_filter_reads() -> None:
    from datatrove.pipeline.filters.url_filter import get_list

    for name in ("banned_words", "soft_banned_words", "banned_subwords"):
        folder = stock_archive().parent
        assert stock_words(name) == get_list(str(folder), f"{name}.txt", set()) - {""}


@pytest.mark.parametrize(
    ("url", "datatrove", "thorough"),
    [
        ("http://x.listed.example.com/", None, "blocked_subdomain"),
        ("http://listed.example.com/", "blocked_subdomain", "blocked_subdomain"),
        ("http://www.example.co.uk/", "blocked_domain", "blocked_domain"),
        ("http://10.0.0.1/a", None, "blocked_subdomain"),
        ("http://localhost:8080", None, "blocked_subdomain"),
        ("http://user@LISTED.example.com./", None, "blocked_subdomain"),
        ("http://example.com/", None, None),
        ("http://[::1", None, None),
    ],
)
def test_thorough_looks_at_every_parent(make: Make, url: str, datatrove: str | None, thorough: str | None) -> None:
    assert (reason(make(), url), reason(make(match="thorough"), url)) == (datatrove, thorough)


def test_thorough_compares_urls_without_scheme(make: Make, lists: dict[str, list[str]]) -> None:
    listed = lists["urls"][0]
    assert not listed.startswith("http")
    thorough, exact = make(match="thorough", measure_all=True), make(measure_all=True)
    for url in (f"https://{listed}", f"http://www.{listed}/"):
        for step, value in ((thorough, 1.0), (exact, 0.0)):
            draft = Draft("text", "id", source="s", file="f", fields={"url": url})
            apply(step, draft)
            assert draft.values[0][2] == value


def test_own_lists(make: Make) -> None:
    step = make(
        stock_lists=False,
        block=["# mine", "bad.example", "http://news.example/sports/", " ", "https://WWW.half.example/"],
        allow=["good.bad.example", "bad.example/about"],
    )
    assert reason(step, "https://www.bad.example/x") == "blocked_domain"
    assert reason(step, "https://bad.example/about") is None
    assert reason(step, "https://www.good.bad.example/x") is None
    assert reason(step, "https://news.example/sports") == "blocked_url"
    assert reason(step, "https://news.example/sports/1") is None
    assert reason(step, "https://notbad.example/") is None
    assert reason(step, "https://www.half.example/x") == "blocked_domain"
    assert reason(step, "https://half.example/x") is None


def test_own_lists_in_files(make: Make, tmp_path: Path) -> None:
    (tmp_path / "block.txt").write_text("# adult sites\nbad.example\n\n", encoding="utf-8")
    step = make(stock_lists=False, block="block.txt")
    assert reason(step, "https://bad.example/") == "blocked_domain"
    with pytest.raises(DataError, match=r"`allow` names the file .*none\.txt, which cannot be read"):
        make(allow="none.txt")


def test_own_words(make: Make) -> None:
    step = make(stock_lists=False, hard_words=["Casino"], soft_words=["bet", "win", "bonus"], subwords=["free money"])
    assert reason(step, "https://example.org/casino-1") == "hard_word"
    assert reason(step, "https://example.org/casinos") is None
    assert reason(step, "https://example.org/bet") is None
    assert reason(step, "https://example.org/bet/win") == "too_many_soft_words"
    assert reason(step, "https://example.org/FREE-MONEY1") == "subword"
    step = make(stock_lists=False, soft_words=["bet", "win"], min_soft_words=None)
    assert reason(step, "https://example.org/bet/win") is None


@pytest.mark.parametrize("fields", [{}, {"url": None}, {"url": " "}, {"url": 7}])
def test_documents_without_a_url_pass(make: Make, fields: dict[str, Any]) -> None:
    draft = Draft("text", "id", source="s", file="f", fields=fields)
    assert apply(make(), draft) is None
    assert all(map(math.isnan, draft.values[0]))


def test_the_url_may_be_in_another_field(make: Make) -> None:
    step = make(stock_lists=False, block=["bad.example"], url_field="link")
    draft = Draft("text", "id", source="s", file="f", fields={"link": "http://bad.example", "url": "http://ok.example"})
    assert apply(step, draft) is not None


def test_the_hashes_are_mapped_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.sort(np.random.default_rng(0).integers(0, 2**63, 1000).astype(np.uint64)))
    assert isinstance(HashSet(tmp_path / "a.npy")._hashes.base, np.memmap)
    assert "anything" not in HashSet(None)


def test_a_list_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pretraining.corpus.filters.url_lists.stock_assets", lambda: tmp_path)
    with pytest.raises(DataError, match=r"(?s)expected at .*url_filterblacklistsv0_3_0.*stock_lists: false"):
        stock_archive()
    with pytest.raises(DataError, match=r"banned_words\.txt cannot be read"):
        UrlFilter(UrlFilterStep(type="url_filter"))


def test_an_archive_without_the_lists(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
        pass
    monkeypatch.setattr(url_module, "stock_archive", lambda: tmp_path / "empty.tar.gz")
    with pytest.raises(DataError, match="holds no list named domains and urls"):
        make()
