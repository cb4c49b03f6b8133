"""Loading with transformers what somebody has saved."""

from __future__ import annotations

import contextlib
from typing import Any

from pretraining.errors import DataError


@contextlib.contextmanager
def loading(folder: str) -> Any:
    """Without bars and warnings; what transformers cannot load is the user's file.

    Raises:
        DataError: damaged, of an unknown architecture, or in need of code of its own.
    """
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        message = str(error).strip().split("\n")[0]
        raise DataError(f"the model in {folder} cannot be loaded: {message}") from error
    except Exception as error:
        if "strict" in type(error).__name__.lower():  # huggingface_hub's dataclasses have their own family of errors
            raise DataError(f"the config in {folder} holds a wrong value: {str(error).strip()}") from error
        if type(error).__module__.startswith("safetensors"):
            raise DataError(f"the weights in {folder} are damaged: {error}; get them again") from error
        raise
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
