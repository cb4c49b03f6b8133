"""Small real text, a tiny tokenizer and tiny models, shared by all tests; no test reaches the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
# The models here are so small that a second thread costs more than it saves, and pytest runs on all cores already.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest
import pytest_socket

# The first example of a test may load a dictionary or a model, and the machine may be busy.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")

# Real prose, public domain: from Lincoln's address of 1863 and the preamble of 1787.
PROSE = [
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty, "
    "and dedicated to the proposition that all men are created equal.",
    "Now we are engaged in a great civil war, testing whether that nation, or any nation so conceived and so "
    "dedicated, can long endure. We are met on a great battle-field of that war.",
    "We the People of the United States, in Order to form a more perfect Union, establish Justice, insure domestic "
    "Tranquility, provide for the common defence, promote the general Welfare, and secure the Blessings of Liberty.",
    "The world will little note, nor long remember what we say here, but it can never forget what they did here.",
    "It is for us the living, rather, to be dedicated here to the unfinished work which they who fought here have "
    "thus far so nobly advanced. 1863.",
]


def pytest_runtest_setup() -> None:
    """Sockets only on this machine: gloo and the launcher need them, nothing else does."""
    pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def prose() -> list[str]:
    """Five short documents."""
    return list(PROSE)


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus as the corpus stage writes it: 40 training and 5 held-out documents from two sources."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("corpus")
    documents = [f"{text} ({number})" for number in range(9) for text in PROSE]
    for split, rows in {"train": documents[:40], "validation": documents[40:]}.items():
        table = pa.table(
            {
                "id": [f"{split}/{i}" for i in range(len(rows))],
                "text": rows,
                "source": [("lincoln", "union")[i % 2] for i in range(len(rows))],
                "metadata": ["{}"] * len(rows),
            }
        )
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    size = sum(len(text.encode()) for text in documents[40:])
    (folder / "ledger.json").write_text(json.dumps({"splits": {"validation": {"documents": 5, "bytes": size}}}))
    return folder


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Byte-level BPE with 320 tokens."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pretraining.tokenization.config import TokenizerSection
    from pretraining.tokenization.training import train_tokenizer

    folder, rows = tmp_path_factory.mktemp("prose"), len(PROSE) * 3
    table = pa.table({"id": [str(i) for i in range(rows)], "text": PROSE * 3, "source": ["prose"] * rows})
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    return train_tokenizer(TokenizerSection(vocab_size=320), folder)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory, corpus_folder: Path, tokenizer: Any) -> Path:
    """A run folder with tokenizer, tokens and batches for sequence length 32."""
    import shutil

    from pretraining.batching.config import BatchesSection
    from pretraining.batching.plan import make_plan, save_plan
    from pretraining.tokenization.store import TokenStore
    from pretraining.tokenization.training import save_tokenizer
    from pretraining.tokenization.writing import write_token_store

    run = tmp_path_factory.mktemp("run")
    for name in ("tokenizer", "tokens", "batches"):
        (run / name).mkdir()
    shutil.copytree(corpus_folder, run / "corpus")
    save_tokenizer(tokenizer, run / "tokenizer")
    write_token_store(tokenizer, corpus_folder, run / "tokens")
    plan = make_plan(
        BatchesSection(sequence_length=32), TokenStore(run / "tokens"), raw_length=lambda length, _: length
    )
    save_plan(plan, run / "batches")
    return run


def tiny_model(architecture: str, *, attn_implementation: str = "sdpa", vocab_size: int = 320) -> Any:
    """A causal model with two small layers and weights drawn from a fixed seed."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    common = {"vocab_size": vocab_size, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16}
    own = {"gpt2": {"n_positions": 64}}.get(
        architecture, {"intermediate_size": 32, "max_position_embeddings": 64, "num_key_value_heads": 1}
    )
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **common, **own, initializer_range=0.3)
    return AutoModelForCausalLM.from_config(config, attn_implementation=attn_implementation).eval()


@pytest.fixture(scope="session")
def make_tiny_model() -> Any:
    """``tiny_model``."""
    return tiny_model


@pytest.fixture(scope="session")
def one_process() -> Any:
    """``one_process(module, learning_rate=1e-3)``: what ``training.step`` reads of a setup, for one CPU process."""
    from types import SimpleNamespace

    import torch
    from accelerate import Accelerator

    from pretraining.training.setup import Setup

    def make(module: Any, learning_rate: float = 1e-3) -> Any:
        job = SimpleNamespace(seed=0, training=SimpleNamespace(max_grad_norm=1.0))
        setup = object.__new__(Setup)  # no data, no files: only what a step needs
        setup.job, setup.accelerator, setup.module = job, Accelerator(cpu=True), module
        setup.optimizers = [torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=0.0)]
        return setup

    return make
