"""`config.json` -> Architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from planner.architecture.attention import (
    Heads,
    Kind,
    Latent,
    attention_weights,
    layer_caches,
    layer_kinds,
    read_heads,
    read_latent,
)
from planner.architecture.fields import ConfigError, Fields
from planner.architecture.mlp import Experts, mlp_weights, read_experts
from planner.architecture.quantization import mark_quantised, read_quantization
from planner.architecture.records import Architecture, Cache, Dtype, Record, Weight
from planner.architecture.recurrent import Recurrent, read_recurrent, recurrent_weights

FAMILIES = {
    "bert", "cohere", "cohere2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "exaone4", "falcon", "gemma", "gemma2",
    "gemma3", "gemma3_text", "glm", "glm4", "glm4_moe", "glm_moe_dsa", "gpt2", "gpt_neox", "gpt_oss", "granite",
    "kimi_k2", "kimi_k25", "llama", "llama4", "llama4_text", "minimax_m2", "ministral", "mistral", "mistral3",
    "mixtral", "nemotron", "olmo2", "olmo3", "phi", "phi3", "qwen2", "qwen2_moe", "qwen2_vl", "qwen3", "qwen3_moe",
    "qwen3_vl", "qwen3_vl_moe", "qwen3_vl_moe_text", "qwen3_vl_text", "roberta", "seed_oss", "smollm3", "starcoder2",
    "xlm-roberta", "glm5_next", "kimi_linear", "qwen3_next", "qwen3_5", "qwen3_5_text", "qwen3_5_moe",
    "qwen3_5_moe_text",
}  # fmt: skip
"""Families read as their own code reads them; others are read as plain decoders, with a note."""
ENCODERS = {"bert", "roberta", "xlm-roberta"}
FROM_PADDING = {"roberta", "xlm-roberta"}
"""Encoders whose positions are counted from after the padding token's: those up to it hold no token."""
QK_NORM = {"qwen3", "qwen3_moe", "gemma3_text", "glm4_moe", "minimax_m2", "qwen3_vl_text", "qwen3_vl_moe_text"}
NOT_SIZED = {
    "block_configs": "layers of different shapes",
    "compress_ratios": "a compressed cache",
    "global_head_dim": "heads of two sizes",
    "hybrid_layer_pattern": "heads of two sizes",
    "hybrid_override_pattern": "recurrent layers",
    "layers_block_type": "recurrent layers",
    "mamba_d_state": "recurrent layers",
    "ssm_state_size": "recurrent layers",
    "state_size": "recurrent layers",
}
"""Fields that say that the model keeps something else than keys and values of tokens."""
NEEDED = (
    ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    ("hidden_size", "n_embd", "d_model", "dim"),
    ("num_attention_heads", "n_head", "n_heads"),
    ("vocab_size", "padded_vocab_size"),
    ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "model_max_length"),
    ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "moe_intermediate_size"),
)
"""What every configuration must say, under one of these names."""


class _Parts(Record, frozen=True, kw_only=True):
    """What the layers are made of."""

    family: str
    layers: int
    heads: Heads
    latent: Latent | None
    experts: Experts | None
    recurrent: Recurrent | None


def read_architecture(config: Mapping[str, Any], origin: str = "config.json") -> Architecture:
    """Read a configuration.

    Args:
        config: the parsed `config.json`.
        origin: how messages call it.

    Raises:
        ConfigError: a field is missing, contradicts another, or says something that is not sized here.

    """
    return _read(msgspec.json.encode(config), origin)


@lru_cache(maxsize=64)
def _read(encoded: bytes, origin: str) -> Architecture:
    """Read a configuration once, however often it is planned."""
    top = Fields(msgspec.json.decode(encoded), origin)
    text = top.inner("text_config") or top.inner("llm_config") or top
    family = text.text("model_type") or top.text("model_type")
    _refuse(text, family)
    layers = text.count(*NEEDED[0])
    parts = _Parts(
        family=family,
        layers=layers,
        heads=read_heads(text),
        latent=read_latent(text),
        experts=read_experts(text, family, layers),
        recurrent=read_recurrent(text),
    )
    quantization, fp8_cache = read_quantization(top if top.has("quantization_config") else text)
    encoder = family in ENCODERS
    draft = text.count("num_nextn_predict_layers", "mtp_num_hidden_layers", default=0, least=0)
    return Architecture(
        model_type=family,
        encoder=encoder,
        hidden=parts.heads.hidden,
        heads=parts.heads.heads,
        kv_heads=1 if parts.latent else parts.heads.kv_heads,
        vocab=text.count(*NEEDED[3]),
        max_position=text.count(*NEEDED[4]) - _reserved(text, family),
        dtype=_dtype(top, text),
        caches=((),) * layers if encoder else _caches(text, parts),
        weights=mark_quantised(_weights(top, text, parts), quantization),
        quantization=quantization,
        fp8_cache=fp8_cache,
        experts=parts.experts.count if parts.experts else 0,
        experts_per_token=parts.experts.per_token if parts.experts else 0,
        attention_width=_attention_width(text, parts),
        draft_layers=draft,
        notes=tuple(_notes(top, text, family, draft)),
    )


def _refuse(text: Fields, family: str) -> None:
    """Refuse what is not sized here, and name every field that is missing at once."""
    for field, what in NOT_SIZED.items():
        if text.has(field):
            raise text.wrong(field, f"says that the model has {what}, which is not sized here")
    missing = [names for names in NEEDED if not any(text.has(name) for name in names)]
    if missing:
        listed = "; ".join(" or ".join(f"`{text.name(name)}`" for name in names) for names in missing)
        known = f"architecture {family!r}" if family else "a configuration without `model_type`"
        raise ConfigError(
            f"{text.origin}: {known} cannot be sized: it does not say {listed}",
            hint="Give the whole config.json, as it lies beside the model's weights.",
        )


def _reserved(text: Fields, family: str) -> int:
    """Return the positions that hold no token (vLLM 0.33.0 `model_executor/models/roberta.py`)."""
    return text.count("pad_token_id", default=1, least=0) + 1 if family in FROM_PADDING else 0


def _dtype(top: Fields, text: Fields) -> Dtype:
    """Return the precision of what is not quantised; Transformers 5 renamed `torch_dtype` to `dtype`."""
    for fields in (text, top):
        for name in ("torch_dtype", "dtype"):
            value = fields.text(name)
            if value:
                known: dict[str, Dtype] = {"bfloat16": "bfloat16", "float16": "float16", "float32": "float32"}
                if value not in known:
                    raise fields.wrong(name, f"is {value!r}", f"Known: {', '.join(known)}.")
                return known[value]
    return "bfloat16"


def _attention_width(text: Fields, parts: _Parts) -> int:
    """Return what attention to the whole context multiplies by: layers with a window hardly count in a long prompt."""
    kinds = _kinds(text, parts)
    heads, latent = parts.heads, parts.latent
    width = (latent.nope + latent.rope + latent.value) / 2 if latent else (heads.head_dim + heads.value_dim) / 2
    return round(heads.heads * width * kinds.count("full") / len(kinds))


def _caches(text: Fields, parts: _Parts) -> tuple[tuple[Cache, ...], ...]:
    state = parts.recurrent.cache if parts.recurrent else None
    return tuple(layer_caches(text, parts.heads, parts.latent, state, _kinds(text, parts)))


def _kinds(text: Fields, parts: _Parts) -> tuple[Kind, ...]:
    return layer_kinds(text, parts.family, parts.layers, recurrent=parts.recurrent is not None)


def _weights(top: Fields, text: Fields, parts: _Parts) -> Iterator[Weight]:
    """List every matrix of the model."""
    family, heads = parts.family, parts.heads
    hidden, vocab = heads.hidden, text.count(*NEEDED[3])
    yield Weight(module="model.embed_tokens", out=vocab, into=hidden, split="vocab", linear=False, part="embedding")
    if family in {*ENCODERS, "gpt2"}:
        positions = text.count(*NEEDED[4]) + text.count("type_vocab_size", default=0, least=0)
        yield Weight(module="model.embed_positions", out=positions, into=hidden, linear=False, part="embedding")
    norms = 2 * hidden + (2 * heads.head_dim if family in QK_NORM else 0)
    kinds = _kinds(text, parts)
    for layer in range(parts.layers):
        if parts.recurrent and kinds[layer] == "state":
            yield from recurrent_weights(parts.recurrent, hidden, layer)
        else:
            yield from attention_weights(text, family, heads, parts.latent, layer)
        yield from mlp_weights(text, family, hidden, layer, parts.experts)
        yield Weight(module=f"model.layers.{layer}.norm", out=norms, into=1, layer=layer, linear=False, part="norm")
    yield Weight(module="model.norm", out=hidden, into=1, linear=False, part="norm")
    tied = text.flag("tie_word_embeddings", default=top.flag("tie_word_embeddings", default=family.startswith("gemma")))
    if not tied and family not in ENCODERS:
        yield Weight(module="lm_head", out=vocab, into=hidden, split="vocab", part="head", linear=False)
    yield from _vision(top, hidden)


def _vision(top: Fields, hidden: int) -> Iterator[Weight]:
    """List a vision tower's matrices, near enough: its layers, its patch embedding and its projection."""
    vision = top.inner("vision_config")
    if vision is None or not vision.has("hidden_size"):
        return
    size = vision.count("hidden_size")
    layers = vision.count("num_hidden_layers", "depth", "num_layers")
    width = vision.count("intermediate_size", "mlp_dim", default=4 * size)
    patch = vision.count("patch_size", default=14)
    for layer in range(layers):
        yield Weight(
            module=f"vision.layers.{layer}",
            out=4 * size + 2 * width,
            into=size,
            linear=False,
            part="vision",
            split="column",
        )
    yield Weight(module="vision.patch", out=size, into=3 * patch * patch, linear=False, part="vision")
    yield Weight(module="vision.projection", out=hidden, into=4 * size, linear=False, part="vision")


def _notes(top: Fields, text: Fields, family: str, draft: int) -> Iterator[str]:
    if family not in FAMILIES:
        yield (
            f"architecture {family or 'unnamed'!r} is unknown here: it is read as a plain decoder with gated "
            "feed-forward layers, by the fields it has; check the parameter total against the published one"
        )
    if text is not top:
        if top.inner("vision_config") is not None:
            yield "the vision tower is counted, near enough: four attention and two feed-forward matrices a layer"
        else:
            yield "the configuration describes no vision tower: if the model has one, it is left out"
    if not any(fields.text(name) for fields in (text, top) for name in ("torch_dtype", "dtype")):
        yield "the configuration names no precision: bfloat16 is assumed"
    if text.count("hc_mult", default=1) > 1:
        yield "several residual streams: activations take more than for other models of the size"
    if draft:
        yield f"{draft} layer(s) for multi-token prediction are left out: only speculative decoding loads them"
