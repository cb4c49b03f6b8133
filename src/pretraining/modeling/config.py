"""The ``model`` section: any causal architecture of transformers, by name and by the keys of its config."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from pretraining.section import Section


class ModelSection(Section):
    """``architecture`` and whatever keys that architecture's transformers config has.

    The keys are not listed here: they are those of the installed transformers, and a key that its config
    does not declare (which transformers would keep and never read) is an error of ``pretrain check``.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)

    architecture: str
    """A ``model_type`` of transformers with a causal language-modeling head: llama, qwen3, gpt2, ..."""
    attn_implementation: Literal["sdpa", "eager", "flex_attention"] = "sdpa"
    """The attention implementation of transformers: those that take the masks by which packed documents are kept apart,
    which the flash kernels do not."""

    name_or_path: str | None = None
    """Weights to start from: a folder that ``save_pretrained`` has written (relative to the recipe), such as ``model/``
    of a run, or the name of a repository on the hub. Keys of the config that the recipe leaves out are then those of
    the weights. New weights are drawn when left out."""
    revision: str | None = None
    """Commit, branch or tag of the repository on the hub; a commit is always the same."""

    @property
    def config_keys(self) -> dict[str, object]:
        """The keys that go to the transformers config."""
        return dict(self.__pydantic_extra__ or {})
