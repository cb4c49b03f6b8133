from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from joint import make_module


@pytest.fixture(scope="session")
def build(tokenizer: Any) -> Any:
    """``build(architecture, objective, **keys of the model)``: the module that is trained."""
    return functools.partial(make_module, tokenizer)
