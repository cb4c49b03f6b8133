"""What ``transformers.Trainer`` with its defaults reaches on the model and the text of a finished run.

    pretrain run recipes/quickstart/llama.yaml
    python tests/benchmarks/trainer_baseline.py runs/quickstart --times 1 10

The training is that of the ``run_clm.py`` example: documents are tokenised, joined, cut into blocks of the sequence
length (the remainder is dropped), and trained with the defaults of ``TrainingArguments``: AdamW, learning rate 5e-5
falling linearly to zero, 8 blocks a step, no warm-up. The budget is time: ``--times 1`` is the training time in
``model/manifest.json`` of the run. The number of steps is chosen beforehand from the measured speed, as a user
would, so that the learning rate ends at zero. Both models are scored by the same ``evaluation.perplexity``. The
machine must do nothing else, now as during the run.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from pretraining.evaluation.documents import encode, held_out_texts
from pretraining.evaluation.perplexity import score
from pretraining.tokenization.documents import texts


def blocks(run: Path, tokenizer: Any, size: int) -> list[dict[str, list[int]]]:
    """``run_clm.py``'s ``group_texts`` over all training documents."""
    ids = [i for text in texts(run / "corpus", "train") for i in tokenizer(text)["input_ids"]]
    starts = range(0, len(ids) - size + 1, size)
    return [{"input_ids": ids[s : s + size], "labels": ids[s : s + size]} for s in starts]


def train(run: Path, data: list[dict[str, list[int]]], steps: int, seed: int) -> tuple[Any, float]:
    """A new model after ``steps`` of the Trainer, and the seconds it took."""
    torch.manual_seed(seed)
    config = AutoConfig.from_pretrained(run / "model")
    model = AutoModelForCausalLM.from_config(config)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, max_steps=steps, seed=seed, use_cpu=True, report_to=[], disable_tqdm=True,
            save_strategy="no", logging_strategy="no",
        )  # fmt: skip
        trainer = Trainer(model=model, args=arguments, train_dataset=data, data_collator=default_data_collator)  # type: ignore[arg-type]
        start = time.perf_counter()
        trainer.train()
        return model, time.perf_counter() - start


def bits_per_byte(model: Any, tokenizer: Any, run: Path, length: int) -> float:
    """On the held-out documents of the run, as ``pretrain evaluate`` measures it."""
    documents = encode(tokenizer, held_out_texts(run / "corpus"))
    model.eval()
    return score(model, documents, window=length, stride=length // 2).bits_per_byte


def main() -> None:
    """Print one line per budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run folder")
    parser.add_argument("--times", type=float, nargs="+", default=[1.0, 10.0], help="budgets, as multiples of ours")
    options = parser.parse_args()
    run: Path = options.run
    ours = json.loads((run / "evaluation" / "results.json").read_text())["held_out"]["bits_per_byte"]
    budget = json.loads((run / "model" / "manifest.json").read_text())["seconds"]
    length = json.loads((run / "batches" / "plan.json").read_text())["streams"][0]["sequence_length"]
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    data = blocks(run, tokenizer, length)
    print(f"ours: {ours:.4f} bits per byte after {budget:.0f} s of training; {len(data):,} blocks of {length}")
    _, probe = train(run, data, 30, seed=0)
    _, longer = train(run, data, 90, seed=0)
    per_step = (longer - probe) / 60
    for seed, times in enumerate(options.times):
        steps = max(1, int(times * budget / per_step))
        model, seconds = train(run, data, steps, seed)
        reached = bits_per_byte(model, tokenizer, run, length)
        tokens = steps * 8 * length
        print(
            f"Trainer, {times:g} x the time: {reached:.4f} bits per byte after {seconds:.0f} s, "
            f"{steps:,} steps, {tokens:,} tokens ({tokens / (len(data) * length):.1f} epochs)",
            flush=True,
        )


if __name__ == "__main__":
    main()
