"""Attention: which layers keep what of every token, and the matrices they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from planner.architecture.fields import Fields
from planner.architecture.records import Cache, Record, Split, Weight

Kind = Literal["full", "sliding", "chunked", "state"]
KINDS: dict[str, Kind] = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "sliding",
    "chunked_attention": "chunked",
    "deepseek_sparse_attention": "full",
    "indexed_attention": "full",
    "linear_attention": "state",
}
"""Words of `layer_types` (Hugging Face Transformers)."""
FULL: Kind = "full"
STATE: Kind = "state"
CHUNKED: Kind = "chunked"
EVERY_LAYER = {"mistral", "mixtral", "phi3", "starcoder2", "ministral"}
"""Families in which `sliding_window` holds for all layers."""
ALTERNATING = {"gpt_oss", "gemma2"}
"""Families in which every second layer, from the first, slides."""
QKV_BIAS = {"qwen2", "qwen2_moe", "gpt_oss", "bert", "roberta", "xlm-roberta"}
INDEX_SCALE_BYTES = 4
"""The index of sparse attention keeps FP8 keys and one 32-bit scale for 128 numbers (DeepSeek-V3.2)."""


class Heads(Record, frozen=True, kw_only=True):
    """Dimensions of grouped-query, multi-query or multi-head attention."""

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int


class Latent(Record, frozen=True, kw_only=True):
    """Ranks and dimensions of multi-head latent attention."""

    kv_rank: int
    q_rank: int
    """0: queries are projected directly."""
    nope: int
    rope: int
    value: int


def read_heads(config: Fields) -> Heads:
    """Read the dimensions of attention.

    Raises:
        ConfigError: a field is missing, or they contradict each other.

    """
    hidden = config.count("hidden_size", "n_embd", "d_model", "dim")
    heads = config.count("num_attention_heads", "n_head", "n_heads")
    kv_heads = config.count(
        "num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num",
        default=1 if config.flag("multi_query") else heads,
    )  # fmt: skip
    if heads % kv_heads:
        raise config.wrong("num_key_value_heads", f"is {kv_heads}, which does not divide {heads} attention heads")
    if not config.has("head_dim") and hidden % heads:
        raise config.wrong(
            "hidden_size",
            f"is {hidden}, which {heads} heads do not divide",
            "Give `head_dim` if heads are of another size.",
        )
    head_dim = config.count("head_dim", "attention_head_dim", default=hidden // heads)
    return Heads(
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_dim=config.count("v_head_dim", default=head_dim) if not config.has("kv_lora_rank") else head_dim,
    )


def read_latent(config: Fields) -> Latent | None:
    """Read multi-head latent attention; None where the model has none.

    Raises:
        ConfigError: a field of it is missing.

    """
    if not config.has("kv_lora_rank"):
        return None
    return Latent(
        kv_rank=config.count("kv_lora_rank"),
        q_rank=config.count("q_lora_rank", default=0, least=0),
        nope=config.count("qk_nope_head_dim"),
        rope=config.count("qk_rope_head_dim", least=0),
        value=config.count("v_head_dim"),
    )


def layer_kinds(config: Fields, family: str, layers: int, *, recurrent: bool = False) -> tuple[Kind, ...]:
    """Say of each layer what it attends to.

    Raises:
        ConfigError: `layer_types` has another length or a word that is unknown here.

    """
    words = config.words("layer_types", layers)
    if words:
        for index, word in enumerate(words):
            if word not in KINDS:
                raise config.wrong(
                    "layer_types",
                    f"says {word!r} of layer {index}, which is not sized here",
                    f"Known: {', '.join(KINDS)}.",
                )
        return tuple(KINDS[word] for word in words)
    if recurrent:
        return _between(config, layers)
    if config.has("attention_chunk_size"):
        rope = config.numbers("no_rope_layers") or tuple(int((i + 1) % 4 != 0) for i in range(layers))
        if len(rope) != layers:
            raise config.wrong("no_rope_layers", f"has {len(rope)} entries for {layers} layers")
        return tuple(CHUNKED if flag else FULL for flag in rope)
    if not config.has("sliding_window") or config.values.get("use_sliding_window") is False:
        return (FULL,) * layers
    return tuple(_slides(config, family, layers))


def _between(config: Fields, layers: int) -> tuple[Kind, ...]:
    """Say which layers attend, in a model where most keep a state: listed, or every fourth unless it says otherwise."""
    section = config.inner("linear_attn_config")
    listed = section.numbers("full_attn_layers") if section else ()
    if listed:
        return tuple(FULL if index + 1 in listed else STATE for index in range(layers))
    interval = config.count("full_attention_interval", default=4)
    return tuple(FULL if (index + 1) % interval == 0 else STATE for index in range(layers))


def _slides(config: Fields, family: str, layers: int) -> Iterator[Kind]:
    """Say which layers slide, for a configuration with a window and no list of layers."""
    pattern = config.count("sliding_window_pattern", default=0, least=0)
    first = config.count("max_window_layers", default=0, least=0) if config.flag("use_sliding_window") else 0
    for index in range(layers):
        if pattern:
            yield "full" if (index + 1) % pattern == 0 else "sliding"
        elif family in ALTERNATING:
            yield "sliding" if index % 2 == 0 else "full"
        elif first:
            yield "sliding" if index >= first else "full"
        else:
            yield "sliding" if family in EVERY_LAYER or not config.has("use_sliding_window") else "full"


def layer_caches(
    config: Fields, heads: Heads, latent: Latent | None, state: Cache | None, kinds: tuple[Kind, ...]
) -> list[tuple[Cache, ...]]:
    """Say what each layer keeps of every token.

    Raises:
        ConfigError: a window is missing.

    """
    shared = config.count("num_kv_shared_layers", default=0, least=0)
    own = len(kinds) - shared  # the last layers may reuse an earlier layer's cache
    index = _index(config)
    index_layers = config.words("indexer_types", len(kinds) if config.has("indexer_types") else None)
    caches: list[tuple[Cache, ...]] = []
    for layer, kind in enumerate(kinds):
        if layer >= own:
            caches.append(())
        elif kind == "state":
            if state is None:
                raise config.wrong("layer_types", f"says that layer {layer} keeps a state of unknown size")
            caches.append((state,))
        else:
            indexed = not index_layers or index_layers[layer] == "full"
            cache = _tokens(config, heads, latent, kind)
            caches.append((cache, *index) if indexed else (cache,))
    return caches


def _tokens(config: Fields, heads: Heads, latent: Latent | None, kind: Literal["full", "sliding", "chunked"]) -> Cache:
    """Return what a layer keeps of every token."""
    fields = {"full": "", "sliding": "sliding_window", "chunked": "attention_chunk_size"}
    window = config.count(fields[kind]) if kind != "full" else 0
    if latent:
        return Cache(kind=kind, window=window, kv_heads=1, key_dim=latent.kv_rank + latent.rope, latent=True)
    return Cache(kind=kind, window=window, kv_heads=heads.kv_heads, key_dim=heads.head_dim, value_dim=heads.value_dim)


def _index(config: Fields) -> tuple[Cache, ...]:
    """Return the caches of a sparse-attention index; one that pools tokens keeps the newest ones apart, in a ring."""
    if not config.has("index_head_dim"):
        return ()
    dim, pooled = config.count("index_head_dim"), config.count("index_kpool", default=1)
    size = dim + -(-dim // 128) * INDEX_SCALE_BYTES
    if size % pooled:
        raise config.wrong("index_kpool", f"is {pooled}, which does not divide the {size} bytes of an index key")
    index = Cache(kind="full", raw_bytes=size // pooled)
    return (index, Cache(kind="ring")) if pooled > 1 else (index,)


def attention_weights(config: Fields, family: str, heads: Heads, latent: Latent | None, layer: int) -> Iterator[Weight]:
    """List the matrices of one layer's attention."""
    place = f"model.layers.{layer}.self_attn"
    if latent:
        yield from _latent_weights(place, heads, latent, layer)
        yield from _index_weights(config, place, heads, latent, layer)
        return
    bias = config.flag("attention_bias", default=family in QKV_BIAS) or family in QKV_BIAS
    gated = 2 if config.flag("attn_output_gate") or family == "qwen3_next" else 1
    queries, keys, values = (
        gated * heads.heads * heads.head_dim,
        heads.kv_heads * heads.head_dim,
        heads.kv_heads * heads.value_dim,
    )
    shapes: tuple[tuple[str, int, int, Split], ...] = (
        ("q_proj", queries, heads.hidden, "column"),
        ("k_proj", keys, heads.hidden, "kv"),
        ("v_proj", values, heads.hidden, "kv"),
    )
    for name, out, into, split in shapes:
        yield Weight(
            module=f"{place}.{name}",
            out=out,
            into=into,
            bias=out if bias else 0,
            layer=layer,
            split=split,
            part="attention",
        )
    output_bias = config.flag("attention_bias", default=family in {"bert", "roberta", "xlm-roberta"})
    yield Weight(
        module=f"{place}.o_proj", out=heads.hidden, into=heads.heads * heads.value_dim,
        bias=heads.hidden if output_bias else 0, layer=layer, split="row", part="attention",
    )  # fmt: skip


def _latent_weights(place: str, heads: Heads, latent: Latent, layer: int) -> Iterator[Weight]:
    query = heads.heads * (latent.nope + latent.rope)
    if latent.q_rank:
        yield Weight(
            module=f"{place}.q_a_proj",
            out=latent.q_rank,
            into=heads.hidden,
            bias=latent.q_rank,
            layer=layer,
            part="attention",
        )
    yield Weight(
        module=f"{place}.q_b_proj" if latent.q_rank else f"{place}.q_proj",
        out=query, into=latent.q_rank or heads.hidden, layer=layer, split="column", part="attention",
    )  # fmt: skip
    yield Weight(
        module=f"{place}.kv_a_proj_with_mqa", out=latent.kv_rank + latent.rope, into=heads.hidden, bias=latent.kv_rank,
        layer=layer, part="attention",
    )  # fmt: skip
    yield Weight(
        module=f"{place}.kv_b_proj", out=heads.heads * (latent.nope + latent.value), into=latent.kv_rank,
        layer=layer, split="column", part="attention",
    )  # fmt: skip
    yield Weight(
        module=f"{place}.o_proj",
        out=heads.hidden,
        into=heads.heads * latent.value,
        layer=layer,
        split="row",
        part="attention",
    )


def _index_weights(config: Fields, place: str, heads: Heads, latent: Latent, layer: int) -> Iterator[Weight]:
    """List the matrices of a sparse-attention index, which every rank holds whole."""
    if not config.has("index_head_dim"):
        return
    types = config.words("indexer_types")
    if types and types[layer] != "full":
        return
    dim, count = config.count("index_head_dim"), config.count("index_n_heads")
    for name, out, into in (
        ("wq_b", count * dim, latent.q_rank or heads.hidden),
        ("wk", dim, heads.hidden),
        ("weights_proj", count, heads.hidden),
    ):
        yield Weight(module=f"{place}.indexer.{name}", out=out, into=into, layer=layer, part="attention")
