"""Weights to start from: taken over exactly, or refused with the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pretraining.errors import DataError, ModelError
from pretraining.modeling.assemble import make_pretraining_model
from pretraining.modeling.build import build_model
from pretraining.modeling.carriers import EAGER_ONLY
from pretraining.modeling.config import ModelSection
from pretraining.modeling.start import inherited
from pretraining.objectives.config import ReplacedTokenDetectionSection
from pretraining.objectives.sections.contrastive import ContrastiveSection

SIZES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32},
    "llama": {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32},
    "t5": {"d_model": 16, "d_ff": 32, "num_layers": 2, "num_heads": 2, "d_kv": 8},
    "bart": {
        **{"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32},
        **{"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 32},
    },
}
BERT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
HEADS = {
    **dict.fromkeys(("gpt2", "llama"), "causal_lm"),
    **dict.fromkeys(("bert", "roberta", "albert", "electra", "deberta-v2", "modernbert"), "masked_lm"),
    **dict.fromkeys(("t5", "bart"), "seq2seq_lm"),
    "xlnet": "permutation_lm",
}


def attention(architecture: str) -> dict[str, Any]:
    """The implementation that transformers has for the architecture."""
    return {"attn_implementation": "eager"} if architecture in EAGER_ONLY else {}


def new_model(architecture: str, tokenizer: Any, *, seed: int = 3, **keys: Any) -> Any:
    """A tiny model with weights of its own."""
    more = {"embedding_size": 16} if architecture in ("albert", "electra") else {}
    keys = {**SIZES.get(architecture, BERT), **more, **attention(architecture), **keys}
    section = ModelSection(architecture=architecture, **keys)
    return build_model(section, tokenizer, seed=seed, head=HEADS[architecture])


@pytest.fixture()
def save(tokenizer: Any, tmp_path: Path) -> Any:
    """``save(architecture)``: a folder with a tiny model and its tokenizer, and the model."""

    def _save(architecture: str, **keys: Any) -> tuple[Path, Any]:
        folder, model = tmp_path / architecture, new_model(architecture, tokenizer, **keys)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder, model

    return _save


def started(folder: Path, tokenizer: Any, *, architecture: str = "", seed: int = 9, **keys: Any) -> tuple[Any, str]:
    """The model that starts from a folder, named relative to the recipe, and what was said."""
    said: list[str] = []
    architecture = architecture or folder.name
    section = ModelSection(architecture=architecture, name_or_path=folder.name, **attention(architecture), **keys)
    head = HEADS[section.architecture]
    return build_model(section, tokenizer, seed=seed, head=head, base=folder.parent, say=said.append), "\n".join(said)


@pytest.mark.parametrize("architecture", HEADS)
def test_every_weight_is_the_saved_one_and_the_config_too(architecture: str, tokenizer: Any, save: Any) -> None:
    folder, saved = save(architecture)
    model, said = started(folder, tokenizer)
    assert type(model) is type(saved) and model.dtype == torch.float32
    weights = dict(model.named_parameters())
    assert weights.keys() == dict(saved.named_parameters()).keys()
    assert all(torch.equal(weights[name], weight) for name, weight in saved.named_parameters())
    ignored = {"_name_or_path", "use_cache", "dtype", "transformers_version", "architectures"}
    assert {k: v for k, v in model.config.to_dict().items() if k not in ignored} == {
        k: v for k, v in saved.config.to_dict().items() if k not in ignored
    }
    assert said == f"weights to start from: {architecture}"
    assert model.config.use_cache is False


@pytest.mark.parametrize("architecture", HEADS)
def test_further_tokens_get_rows_and_the_others_keep_theirs(architecture: str, tokenizer: Any, save: Any) -> None:
    from transformers import AutoTokenizer

    folder, saved = save(architecture)
    larger = AutoTokenizer.from_pretrained(folder)
    larger.add_special_tokens({"extra_special_tokens": ["[NLU]", "[S2S]"]}, replace_extra_special_tokens=False)
    model, said = started(folder, larger)
    size = len(tokenizer)
    assert len(larger) == size + 2 == model.config.vocab_size
    assert said == f"weights to start from: {architecture}; 2 new rows in the embeddings"
    embedding, old = model.get_input_embeddings().weight, saved.get_input_embeddings().weight
    assert embedding.shape[0] == size + 2 and torch.equal(embedding[:size], old)
    assert (embedding[size:].abs().sum(1) > 0).all()
    head, old_head = model.get_output_embeddings(), saved.get_output_embeddings()
    assert head.weight.shape[0] == size + 2 and torch.equal(head.weight[:size], old_head.weight)
    assert head.bias is None or head.bias.shape == (size + 2,)
    again, _ = started(folder, larger)
    assert torch.equal(again.get_input_embeddings().weight, embedding)  # drawn from the seed of the run


def test_an_encoder_goes_on_with_another_head(tokenizer: Any, save: Any) -> None:
    """SimCSE after BERT: the encoder is the saved one, the head of the masks is left behind."""
    folder, saved = save("bert", hidden_dropout_prob=0.0)
    said: list[str] = []
    section = ModelSection(architecture="bert", name_or_path="bert", hidden_dropout_prob=0.1)  # type: ignore[call-arg]
    module = make_pretraining_model(
        section, ContrastiveSection(), tokenizer, seed=1, base=folder.parent, say=said.append
    )
    weights = dict(module.model.named_parameters())
    for name, weight in saved.bert.named_parameters():
        assert torch.equal(weights[name], weight), name
    assert module.model.config.hidden_dropout_prob == 0.1  # the recipe's keys come first
    assert module.model.config.hidden_size == 16
    new, _, unused = said[0].partition("; not used: ")
    assert new == "weights to start from: bert; new: pooler.dense" and unused.startswith("cls.predictions")


def test_new_weights_beside_the_saved_ones_come_from_the_seed(tokenizer: Any, save: Any) -> None:
    folder, saved = save("bert")
    saved.bert.save_pretrained(folder)  # without the head

    def head(seed: int) -> Any:
        return started(folder, tokenizer, seed=seed)[0].cls.predictions.transform.dense.weight

    assert torch.equal(head(1), head(1)) and not torch.equal(head(1), head(2))


def t5_v1_1(tokenizer: Any, folder: Path) -> Any:
    """Saved as ``google/t5-v1_1-base`` is kept: a head of its own, whose logits are not scaled."""
    from safetensors.torch import load_file, save_file
    from transformers import T5Config, T5ForConditionalGeneration

    keys: dict[str, Any] = {"d_model": 16, "d_ff": 32, "num_layers": 2, "num_heads": 2, "d_kv": 8, "vocab_size": 320}
    ids = {"pad_token_id": tokenizer.pad_token_id, "decoder_start_token_id": tokenizer.pad_token_id}
    config = T5Config(**keys, **ids, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    torch.manual_seed(0)
    T5ForConditionalGeneration(config).save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = torch.randn(320, 16)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)
    return T5ForConditionalGeneration.from_pretrained(folder).eval()


def test_a_config_says_more_than_its_class_declares(tokenizer: Any, tmp_path: Path) -> None:
    saved = t5_v1_1(tokenizer, tmp_path / "t5")
    assert saved.config.scale_decoder_outputs is False
    model, _ = started(tmp_path / "t5", tokenizer)
    ids = torch.arange(10, 20)[None]
    with torch.no_grad():
        logits = [each.eval()(input_ids=ids, decoder_input_ids=ids).logits for each in (model, saved)]
    torch.testing.assert_close(*logits)
    assert model.lm_head.weight is not model.shared.weight
    model.save_pretrained(tmp_path / "again" / "t5")
    tokenizer.save_pretrained(tmp_path / "again" / "t5")
    again, _ = started(tmp_path / "again" / "t5", tokenizer)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(input_ids=ids, decoder_input_ids=ids).logits, logits[1])


def test_a_head_of_its_own_keeps_its_rows_when_it_grows(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    saved = t5_v1_1(tokenizer, tmp_path / "t5")
    larger = AutoTokenizer.from_pretrained(tmp_path / "t5")
    larger.add_special_tokens({"extra_special_tokens": ["[NLU]", "[S2S]"]}, replace_extra_special_tokens=False)
    model, _ = started(tmp_path / "t5", larger)
    assert model.lm_head.weight.shape[0] == len(tokenizer) + 2 and model.lm_head.weight is not model.shared.weight
    assert torch.equal(model.lm_head.weight[:-2], saved.lm_head.weight)
    assert not torch.equal(saved.lm_head.weight, saved.shared.weight)
    assert torch.equal(model.shared.weight[:-2], saved.shared.weight)


def test_none_of_the_weights_is_not_the_default_of_the_class(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(**SIZES["llama"], num_key_value_heads=2, vocab_size=320, sliding_window=None)
    MistralForCausalLM(config).save_pretrained(tmp_path / "mistral")
    section = ModelSection(architecture="mistral", name_or_path="mistral")
    assert inherited(section, tmp_path)["sliding_window"] is None
    assert build_model(section, tokenizer, seed=0, base=tmp_path, say=str).config.sliding_window is None


def test_rotary_values_are_changed_as_a_whole(tokenizer: Any, save: Any) -> None:
    folder, saved = save("modernbert")
    message = refused(folder, tokenizer, global_rope_theta=1e5)
    assert "modernbert: model.global_rope_theta = 100000.0, they have rope_parameters = {" in message
    whole = {kind: {**values, "rope_theta": 1e5} for kind, values in saved.config.rope_parameters.items()}
    model, _ = started(folder, tokenizer, rope_parameters=whole)
    assert {values["rope_theta"] for values in model.config.rope_parameters.values()} == {1e5}


def test_an_encoder_that_was_made_a_decoder_is_refused(tokenizer: Any, save: Any) -> None:
    folder, _ = save("bert", is_decoder=True)
    assert "weights of a bert that was made a decoder" in refused(folder, tokenizer)


def test_a_damaged_config(tokenizer: Any, save: Any) -> None:
    folder, _ = save("bert")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": "16"}))
    assert "hidden_size" in refused(folder, tokenizer)


def test_a_rotary_base_for_longer_rows(tokenizer: Any, save: Any) -> None:
    folder, _ = save("llama", rope_theta=2e4)
    assert started(folder, tokenizer)[0].config.rope_parameters["rope_theta"] == 2e4
    given = {"rope_type": "default", "rope_theta": 5e5}
    longer, _ = started(folder, tokenizer, rope_parameters=given, max_position_embeddings=8192)
    assert longer.config.rope_parameters["rope_theta"] == 5e5 and longer.config.max_position_embeddings == 8192


def refused(folder: Path, tokenizer: Any, **keys: Any) -> str:
    with pytest.raises((ModelError, DataError)) as caught:
        started(folder, tokenizer, **keys)
    return str(caught.value)


def test_another_build_is_refused(tokenizer: Any, save: Any) -> None:
    folder, _ = save("bert")
    message = refused(folder, tokenizer, hidden_size=32, num_hidden_layers=1, num_attention_heads=4)
    assert message == (
        "the recipe contradicts the weights of bert: model.hidden_size = 32, they have 16; "
        "model.num_hidden_layers = 1, they have 2; model.num_attention_heads = 4, they have 2; remove what they "
        "say themselves"
    )
    assert "model.tie_word_embeddings = False, they have True" in refused(folder, tokenizer, tie_word_embeddings=False)
    assert "is smaller than the tokenizer's 320 tokens" in refused(folder, tokenizer, vocab_size=300)
    message = refused(folder, tokenizer, max_position_embeddings=64)
    assert "1 weights have other sizes than the recipe's model (bert.embeddings.position" in message
    assert "is (512, 16) there, (64, 16) here" in message
    assert refused(folder, tokenizer, architecture="roberta") == (
        "model.name_or_path = bert: these are weights of bert, not of roberta"
    )


def test_a_layer_that_is_lost_is_not_drawn_anew(tokenizer: Any, save: Any) -> None:
    from safetensors.torch import load_file, save_file

    folder, _ = save("llama")
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.0.self_attn.q_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    message = refused(folder, tokenizer)
    assert (
        "1 weights of the llama itself are not there" in message
        and "(model.layers.0.self_attn.q_proj.weight" in message
    )


def test_a_vocabulary_never_shrinks(tokenizer: Any, save: Any) -> None:
    folder, _ = save("bert", vocab_size=384)
    assert started(folder, tokenizer)[0].config.vocab_size == 384  # rows beyond the tokens stay
    message = refused(folder, tokenizer, vocab_size=320)
    assert message.startswith("model.vocab_size = 320: the weights of bert have 384 rows; remove it")


def test_a_tokenizer_with_other_ids_is_refused(tokenizer: Any, save: Any) -> None:
    folder, _ = save("bert")
    state = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = state["model"]["vocab"]
    a, b = (key for key, number in vocabulary.items() if number in (100, 200))
    vocabulary[a], vocabulary[b] = vocabulary[b], vocabulary[a]
    (folder / "tokenizer.json").write_text(json.dumps(state))
    message = refused(folder, tokenizer)
    assert "disagree about 2 of 320 tokens (" in message and "is 100 there, 200 here" in message


def test_without_a_tokenizer_it_is_said(tokenizer: Any, save: Any) -> None:
    folder, _ = save("bert")
    for path in folder.glob("*token*"):
        path.unlink()
    said = started(folder, tokenizer)[1]
    assert said.splitlines()[0] == "bert has no tokenizer beside its weights: whether its ids are ours is unknown"


def test_damaged_weights_and_pickles_are_refused(tokenizer: Any, save: Any) -> None:
    folder, saved = save("bert")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "the weights in" in (message := refused(folder, tokenizer)) and "are damaged" in message
    weights.unlink()
    torch.save(saved.state_dict(), folder / "pytorch_model.bin")
    assert "safetensors" in refused(folder, tokenizer)


def test_detection_does_not_start_from_weights(tokenizer: Any) -> None:
    section = ModelSection(architecture="electra", name_or_path="somewhere")
    with pytest.raises(ModelError, match="replaced_token_detection would need a generator that fits these weights"):
        make_pretraining_model(section, ReplacedTokenDetectionSection(), tokenizer, seed=0)


def test_a_repository_that_cannot_be_reached_says_so(tokenizer: Any) -> None:
    section = ModelSection(architecture="bert", name_or_path="somebody/something")
    with pytest.raises(DataError, match="the model in somebody/something cannot be loaded"):
        build_model(section, tokenizer, seed=0, head="masked_lm")


def test_a_repository_in_the_cache_of_the_hub(
    tokenizer: Any, save: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    folder, saved = save("bert")
    commit, repository = 40 * "a", tmp_path / "cache" / "models--somebody--small"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    section, said = ModelSection(architecture="bert", name_or_path="somebody/small"), list[str]()
    model = build_model(section, tokenizer, seed=0, head="masked_lm", say=said.append)
    assert said == [f"weights to start from: somebody/small (commit {commit})"]
    assert all(torch.equal(dict(model.named_parameters())[name], weight) for name, weight in saved.named_parameters())


def test_what_a_recipe_inherits_of_a_folder(save: Any) -> None:
    folder, _ = save("gpt2", resid_pdrop=0.25)
    section = ModelSection(architecture="gpt2", name_or_path="gpt2", num_attention_heads=4)  # type: ignore[call-arg]
    keys = inherited(section, folder.parent)
    assert keys["n_embd"] == 16 and keys["resid_pdrop"] == 0.25 and keys["n_positions"] == 32
    assert not {"n_head", "vocab_size", "bos_token_id", "use_cache", "architectures", "dtype"} & keys.keys()
    shutil.rmtree(folder)
    assert inherited(section, folder.parent) == {}
