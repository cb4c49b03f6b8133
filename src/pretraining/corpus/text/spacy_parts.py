"""The parts of spaCy that are used here, imported without torch.

spaCy imports thinc, for its models, and thinc imports torch wherever it is installed: 180 MB and seconds in every
worker. Only spaCy's rules are used here, so thinc is told that there is no torch. Afterwards torch imports as ever.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LENGTH", "ORTH", "Tokenizer", "Vocab", "is_punct"]


@contextmanager
def _without_torch() -> Iterator[None]:
    if "torch" in sys.modules:  # there is nothing to save any more
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # what makes `import torch` raise ImportError
    try:
        yield
    finally:
        del sys.modules["torch"]


with _without_torch():
    from spacy.attrs import LENGTH, ORTH
    from spacy.lang.lex_attrs import is_punct
    from spacy.tokenizer import Tokenizer
    from spacy.vocab import Vocab
