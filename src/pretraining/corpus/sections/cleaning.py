"""The sections of the steps that tidy text, lines and pages: ``normalize``, ``refinedweb_lines``, ``textbook``,
``url_filter``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from pretraining.corpus.sections.base import StepSection
from pretraining.corpus.sections.heuristics import VariantSection, WordsMode


class NormalizeStep(StepSection):
    """Repair broken encodings (ftfy), compose Unicode, drop what cannot be seen, tidy white space."""

    implementation: ClassVar[str] = "filters.normalize:Normalize"
    type: Literal["normalize"]
    fix_encoding: bool = True
    """Repair mojibake with ftfy; off for text that quotes it."""
    unicode_form: Literal["NFC", "NFKC"] = "NFC"
    """Unicode normalisation form."""
    chinese: Literal["simplified", "traditional"] | None = None
    """Write Chinese in this script, by OpenCC's dictionaries of words and characters (so 乾燥 becomes 干燥, and 乾隆
    stays). Text whose language is known and not written in Chinese characters alone (``jpn_Jpan``) is left as it is."""


class RefinedWebLinesStep(VariantSection):
    """Remove lines that are no prose, and pages that had many of them.

    The line-wise corrections of RefinedWeb (Penedo et al. 2023, arXiv 2306.01116, appendix G.2) with the numbers of
    DCLM's ``dclm_baseline_refinedweb.yaml``. Differences to DCLM's code: the dots of ``Read more...`` are dots (there,
    any three characters), and the share of removed words is taken from words as ``words`` says (there, from UAX 29).
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {
        "refinedweb": {},
        "refinedweb-cmn_Hani": {
            "words": "characters",
            "max_phrase_words": 20,
            "counters": [
                *("赞", "点赞", "喜欢", "评论", "条评论", "分享", "次分享", "转发", "收藏", "浏览", "次浏览", "阅读"),
                *("次阅读", "播放", "次播放", "下载", "次下载", "关注", "粉丝", "回复", "人气", "点击", "次点击"),
            ],
            "phrases_anywhere": ["加入购物车", "分享到微信", "分享到微博", "分享到朋友圈", "扫码关注", "扫一扫关注"],
            "phrases_at_end": [
                "阅读全文",
                "查看全文",
                "展开全文",
                "阅读更多",
                "查看更多",
                "查看详情",
                "更多>>",
                "更多»",
            ],
            "phrases_at_start": ["登录", "登陆", "注册", "请登录", "立即登录", "免费注册", "分享到"],
        },
    }

    implementation: ClassVar[str] = "filters.refinedweb:RefinedWebLines"
    type: Literal["refinedweb_lines"]
    variant: Literal["refinedweb", "refinedweb-cmn_Hani"] = "refinedweb"
    """Whose numbers and phrases: those published for English, or ours for Chinese (not validated against a published
    list: there is none)."""
    words: Literal["whitespace", "characters"] = "whitespace"
    """What a word of a line is: what white space separates, or every character that is not white space."""
    max_uppercase: float | None = Field(default=0.5, ge=0.0, le=1.0)
    """Larger share of capital letters among all characters: the line goes."""
    max_digits: float | None = Field(default=0.999999, ge=0.0, le=1.0)
    """Larger share of digits among all characters: the line goes. The default takes lines of digits only."""
    counters: list[str] = [
        *("likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes", "downvotes"),
        *("downloads", "views", "followers"),
    ]
    """What is counted in lines like ``3 likes`` or ``1.2K views``, which go; case does not matter."""
    min_words: int | None = Field(default=2, ge=0)
    """Fewer words: the line goes."""
    max_phrase_words: int = Field(default=10, ge=0)
    """Phrases are looked for in lines of at most as many words."""
    phrases_anywhere: list[str] = ["items in cart"]
    """Cut from a short line, with the white space before them; case does not matter. A line that they were is gone."""
    phrases_at_end: list[str] = ["Read more...", "Read more…"]
    """Cut from the end of a short line."""
    phrases_at_start: list[str] = ["Sign-in"]
    """Cut from the start of a short line."""
    max_removed_words: float | None = Field(default=0.05, ge=0.0, le=1.0)
    """A page that lost a larger share of its words is removed."""


class TextbookStep(VariantSection):
    """The quality rules as textbooks on language models teach them, each with its own threshold.

    They simplify Gopher's (Rae et al. 2021, arXiv 2112.11446, table A1) and RefinedWeb's; rules that only make sense
    for a special source are off until their key is given.
    """

    VARIANTS: ClassVar[dict[str, dict[str, Any]]] = {
        "textbook": {},
        "textbook-cmn_Hani": {
            "min_mean_word_length": 1.0,
            "max_mean_word_length": 5.0,
            "stop_words": [
                *("的", "了", "在", "是", "和", "有", "不", "也", "就", "与", "为", "对", "这", "那", "他", "我", "你"),
                *("中", "上", "都", "以", "而"),
            ],
        },
    }

    implementation: ClassVar[str] = "filters.textbook:Textbook"
    type: Literal["textbook"]
    variant: Literal["textbook", "textbook-cmn_Hani"] = "textbook"
    """Whose numbers: those for English and its like, or those for Chinese (word lengths as FineWeb-2 has them for
    ``cmn_Hani``)."""
    words: WordsMode = "auto"
    """How words are found; ``auto`` follows the document's language."""
    min_characters: int | None = Field(default=100, ge=0)
    """Fewer characters: removed."""
    max_characters: int | None = Field(default=100_000, ge=0)
    """More characters: removed."""
    min_words: int | None = Field(default=None, ge=0)
    """Fewer words (punctuation is none): removed. 25 for the pages of an encyclopaedia."""
    min_mean_word_length: float | None = Field(default=3.0, ge=0.0)
    """Shorter words on average, in characters: removed."""
    max_mean_word_length: float | None = Field(default=15.0, ge=0.0)
    """Longer words on average: removed."""
    max_symbols: float | None = Field(default=0.1, ge=0.0, le=1.0)
    """Larger share of symbols among the characters: removed. Symbols are Unicode's (``+ < = > | ~ $ ^`` and the like,
    emoji, box drawing) and ``# % & * @ / \\ _ { } [ ]``; the punctuation marks of prose, of any script, are none."""
    max_repeated_words: int | None = Field(default=100, ge=1)
    """The same word more often than this in a row, case aside: removed. In a row, as Dolma's repetition rule counts
    (Soldaini et al. 2024, arXiv 2402.00159): in a long text every author uses some word a hundred times."""
    max_repeated_sentences: int | None = Field(default=100, ge=1)
    """The same sentence more often than this anywhere in the text, case aside: removed. A sentence has a letter or a
    digit and ends with its line, at ``. ! ? …`` before white space, or at ``。 ！ ？``."""
    ngram: int = Field(default=3, ge=1)
    """Words of an n-gram, for ``min_distinct_ngrams``."""
    min_distinct_ngrams: float | None = Field(default=0.5, ge=0.0, le=1.0)
    """Smaller share of different n-grams among all n-grams (case aside): removed."""
    min_stop_words: int | None = Field(default=2, ge=0)
    """Fewer different ones of ``stop_words``: removed."""
    stop_words: list[str] = ["the", "be", "to", "of", "and", "that", "have", "with"]
    """The stop words that count, case aside; those of another language for another language."""
    min_votes: float | None = None
    """Fewer votes: removed; 3 for the posts of a forum. Documents that do not say how many they got pass."""
    votes_field: str = "votes"
    """Field of the document that holds its votes, a number."""


class UrlFilterStep(StepSection):
    """Remove pages by their address: listed domains and URLs, and words in the URL.

    The lists are those that datatrove 0.10.1 brings along (4,558,940 domains and 19,587 URLs of adult sites, 133 banned
    words, 134 subwords, 88 soft words), and so are the decisions: those of its ``URLFilter``, unless ``match`` says
    otherwise. Documents without a URL pass.
    """

    implementation: ClassVar[str] = "filters.url:UrlFilter"
    type: Literal["url_filter"]
    url_field: str = "url"
    """Field of the document that holds its URL."""
    stock_lists: bool = True
    """Use datatrove's lists; off: only those given here."""
    match: Literal["datatrove", "thorough"] = "datatrove"
    """How URLs are held against datatrove's domains and URLs. ``datatrove``: the registered domain and the full host,
    and the URL to the letter, which never hits, because its list has no ``http://``. ``thorough``: every parent domain
    too, hosts that are numbers or have no known ending, and URLs without ``http://``, ``www.`` and a last ``/``."""
    block: list[str] | str = []
    """Also blocked: domains (with all below them) and, with a ``/`` in them, URLs (as ``thorough`` compares them). A
    list, or a file with one a line; lines that start with ``#`` are comments."""
    allow: list[str] | str = []
    """Never removed, whatever else holds: domains and URLs, in the same form as ``block``."""
    hard_words: list[str] = []
    """One of these words in the URL removes it, besides the stock ones. The URL is cut at what is no ASCII letter or
    digit, and not put in lower case (as datatrove does)."""
    soft_words: list[str] = []
    """Words of which a few are too many, besides the stock ones."""
    min_soft_words: int | None = Field(default=2, ge=1)
    """As many different soft words in the URL, or more: removed."""
    subwords: list[str] = []
    """One of these anywhere in the URL, in lower case and without what is no ASCII letter or digit, removes it, besides
    the stock ones."""
