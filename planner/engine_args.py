"""The complete command line of vLLM 0.33, with a reason for each choice.

The engine's key comes by the environment and is never here, and neither is any option that lets a client or a model's
repository bring code, templates or files of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from planner.engine_flags import VERSION, check_arguments
from planner.errors import PlanError
from planner.plan import Decision, Record

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What `--max-lora-rank` takes (vLLM 0.33 config/lora.py)."""
MASTER_PORT = 29501
"""Where torch.distributed's ranks find each other: what `--master-port` is by itself (vLLM 0.33 config/parallel.py)."""
NO_DOMAIN = "none.invalid"
"""A name that never resolves (RFC 6761). An empty list would allow every domain (vLLM 0.33 multimodal/media)."""


class Lora(Record, frozen=True, kw_only=True):
    """Adapters served beside the model; clients ask for one by its name."""

    adapters: Mapping[str, str]
    """Name -> folder."""
    max_rank: int
    """The largest rank among them."""
    max_loras: int = 1
    """Adapters that may work in one batch."""


class Nodes(Record, frozen=True, kw_only=True):
    """A replica that spans several nodes, seen from one of them."""

    count: int
    rank: int
    """0 for the node that serves; the others only compute."""
    master_addr: str
    """Address of node 0 on the private network."""
    master_port: int = MASTER_PORT


class EngineChoice(Record, frozen=True, kw_only=True):
    """What has been decided of one engine."""

    model: str
    """Hugging Face repository, or folder of a checkpoint."""
    revision: str = ""
    """Commit of the repository; empty for a folder."""
    served_name: str
    host: str = "127.0.0.1"
    port: int
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: bool = False
    nodes: Nodes | None = None
    dtype: str = "auto"
    quantization: str = ""
    """Empty: as the checkpoint's configuration says."""
    kv_cache_dtype: str = "auto"
    max_model_len: int
    """Tokens, prompt plus answer."""
    gpu_memory_utilization: float
    max_num_seqs: int
    max_num_batched_tokens: int
    """Tokens of one step, prompts and answers together; `default_limits` gives vLLM's own."""
    max_num_queued_reqs: int
    """Requests that may be in flight, running and waiting together; more are refused with 503."""
    prefix_caching: bool = True
    lora: Lora | None = None
    embedding: bool = False
    """The model turns text into vectors and generates none."""
    traces_to: str = ""
    """URL that traces are sent to; empty for none."""
    shutdown_timeout_s: int = 30
    reasons: Mapping[str, str] = {}
    """`what` of a decision -> why it was taken, where whoever chose knows better than the option's own reason."""


class Setting(msgspec.Struct, frozen=True):
    """Words of the command line (none where the default is what is wanted) and the decision behind them."""

    what: str
    choice: str
    why: str
    words: tuple[str, ...] = ()


def engine_arguments(choice: EngineChoice) -> tuple[tuple[str, ...], tuple[Decision, ...]]:
    """Return what follows `vllm serve`, and why.

    Raises:
        PlanError: choices contradict each other, or vLLM would refuse one.
        KeyError: a reason is given for what is not decided here.

    """
    _check(choice)
    settings = tuple(_settings(choice))
    unknown = set(choice.reasons) - {setting.what for setting in settings}
    if unknown:
        raise KeyError(f"reasons for what is not decided here: {', '.join(sorted(unknown))}")
    args = (choice.model, *(word for setting in settings for word in setting.words))
    check_arguments(args)
    return args, tuple(Decision(what=s.what, choice=s.choice, why=choice.reasons.get(s.what, s.why)) for s in settings)


def default_limits(memory_gib: float, gpu_name: str) -> tuple[int, int]:
    """Return vLLM's `max_num_batched_tokens` and `max_num_seqs` for an API server on such a GPU.

    Source: vLLM 0.33 engine/arg_utils.py, `get_batch_defaults`. A100 and GB10 have the memory, but not the compute, of
    the larger class.

    Args:
        memory_gib: memory of the GPU as the engine sees it, in GiB.
        gpu_name: the GPU's name; only whether it says A100 or GB10 matters.

    """
    if memory_gib >= 160:
        return 16384, 1024
    small = any(word in gpu_name.lower() for word in ("a100", "gb10"))
    return (8192, 1024) if memory_gib >= 70 and not small else (2048, 256)


def batched_tokens(choice: EngineChoice) -> int:
    """Return the tokens of one step: an encoder can't split a prompt, so one of full length must fit."""
    return max(choice.max_num_batched_tokens, choice.max_model_len if choice.embedding else 0)


def _check(choice: EngineChoice) -> None:
    """Refuse what vLLM would refuse late, with a message of its own, or not at all."""
    if choice.model.startswith("-"):
        raise PlanError(f"{choice.model!r} names no model", hint="Give a repository or a folder.")
    if batched_tokens(choice) < choice.max_num_seqs:
        raise PlanError(
            f"a step of {choice.max_num_batched_tokens} tokens can't hold {choice.max_num_seqs} requests",
            hint=f"Lower `engine.max_num_seqs` to at most {choice.max_num_batched_tokens}.",
        )
    gpus = choice.tensor_parallel * choice.pipeline_parallel
    if choice.nodes and (gpus % choice.nodes.count or not 0 <= choice.nodes.rank < choice.nodes.count):
        raise PlanError(
            f"{gpus} GPUs on {choice.nodes.count} nodes, of which this is number {choice.nodes.rank}, can't be divided",
            hint="Each node holds the same number of a replica's GPUs; nodes count from 0.",
        )
    if choice.lora:
        _check_lora(choice.lora)


def _check_lora(lora: Lora) -> None:
    if lora.max_rank > LORA_RANKS[-1]:
        raise PlanError(
            f"vLLM {VERSION} serves LoRA adapters up to rank {LORA_RANKS[-1]}, not {lora.max_rank}",
            hint="Merge the adapter into the model's weights, or train one of lower rank.",
        )
    for name, path in lora.adapters.items():
        # `name=path` is read up to the first `=`, and as JSON where it has a comma.
        if not name or name.startswith("-") or set("=, ") & set(name) or "," in path:
            raise PlanError(
                f"the LoRA adapter {name!r} at {path!r} can't be named on vLLM's command line",
                hint="Use letters, digits, dots and dashes in its name, and no comma in its path.",
            )


def _settings(choice: EngineChoice) -> Iterator[Setting]:
    """Yield every choice, in the order in which the command line is best read."""
    yield from _model(choice)
    yield from _server(choice)
    yield from _parallel(choice)
    yield from _memory(choice)
    yield from _limits(choice)
    if choice.lora:
        yield _lora(choice.lora)
    if choice.traces_to:
        why = "times and token counts of every request; no prompts and no answers"
        yield Setting("traces", choice.traces_to, why, ("--otlp-traces-endpoint", choice.traces_to))
    yield from _defences()


def _model(choice: EngineChoice) -> Iterator[Setting]:
    if choice.revision:
        why = "weights, tokenizer and configuration of exactly this commit: a repository can change"
        yield Setting("revision", choice.revision, why, ("--revision", choice.revision))
    yield Setting(
        "served name", choice.served_name, "what clients ask for", ("--served-model-name", choice.served_name)
    )
    if choice.embedding:
        why = "it turns text into vectors and generates none"
        yield Setting("runner", "pooling", why, ("--runner", "pooling"))
    yield _dtype(choice.dtype)
    if choice.quantization:
        why = "the checkpoint does not say it itself"
        yield Setting("quantization", choice.quantization, why, ("--quantization", choice.quantization))
    else:
        yield Setting("quantization", "as the checkpoint says", "vLLM reads it from the model's configuration")


def _dtype(dtype: str) -> Setting:
    why = "the model's own" if dtype == "auto" else "the GPU does not compute in the model's own"
    return Setting("computing type", dtype, why, ("--dtype", dtype))


def _server(choice: EngineChoice) -> Iterator[Setting]:
    if choice.nodes and choice.nodes.rank:
        yield Setting("server", "none", f"node {choice.nodes.rank} computes; node 0 serves", ("--headless",))
        return
    where = f"{choice.host}:{choice.port}"
    yield Setting(
        "server", where, "only the gateway asks the engine", ("--host", choice.host, "--port", str(choice.port))
    )


def _parallel(choice: EngineChoice) -> Iterator[Setting]:
    tensor, pipeline = choice.tensor_parallel, choice.pipeline_parallel
    why = "one GPU holds the model" if tensor == 1 else "every layer is divided among the GPUs"
    yield Setting("tensor parallelism", str(tensor), why, ("--tensor-parallel-size", str(tensor)))
    if pipeline > 1:
        why = "groups of GPUs hold consecutive layers: little passes between them"
        yield Setting("pipeline parallelism", str(pipeline), why, ("--pipeline-parallel-size", str(pipeline)))
    if choice.expert_parallel:
        why = "each GPU holds whole experts instead of a slice of each"
        yield Setting("expert parallelism", "on", why, ("--enable-expert-parallel",))
    if choice.nodes:
        nodes = choice.nodes
        words = {
            "--distributed-executor-backend": "mp",
            "--nnodes": nodes.count,
            "--node-rank": nodes.rank,
            "--master-addr": nodes.master_addr,
            "--master-port": nodes.master_port,
        }
        yield Setting("nodes", f"{nodes.rank + 1} of {nodes.count}", "no single node holds a replica", _words(words))


def _memory(choice: EngineChoice) -> Iterator[Setting]:
    share, length = f"{choice.gpu_memory_utilization:g}", str(choice.max_model_len)
    yield Setting("context", f"{length} tokens", "prompt plus answer, at most", ("--max-model-len", length))
    why = "of each GPU's memory; the rest is for what the engine does not count"
    yield Setting("memory share", share, why, ("--gpu-memory-utilization", share))
    kind, why = "the computing type", "cached keys and values as the model computes them"
    if choice.kv_cache_dtype != "auto":
        kind, why = choice.kv_cache_dtype, "a narrower type holds more tokens"
    yield Setting("KV cache", kind, why, ("--kv-cache-dtype", choice.kv_cache_dtype))
    if choice.embedding:
        return  # vLLM knows which pooling models can share prefixes
    if choice.prefix_caching:
        why = "what prompts have in common is computed once; SHA-256 keeps one client's blocks from another's"
        yield Setting("prefix caching", "on", why, ("--enable-prefix-caching",))
    else:
        why = "no prompt's timing depends on what another client asked"
        yield Setting("prefix caching", "off", why, ("--no-enable-prefix-caching",))


def _limits(choice: EngineChoice) -> Iterator[Setting]:
    seqs, tokens, queued = choice.max_num_seqs, batched_tokens(choice), choice.max_num_queued_reqs
    yield Setting("requests at once", str(seqs), "more wait in the queue", ("--max-num-seqs", str(seqs)))
    why = "prompts are cut into pieces of this size, between which answers go on"
    if choice.embedding:
        why = "a prompt of full length fits into one step: an encoder can't split it"
    yield Setting("tokens per step", str(tokens), why, ("--max-num-batched-tokens", str(tokens)))
    why = "running and waiting together; more are refused with 503 instead of waiting without end"
    yield Setting("requests in flight", str(queued), why, ("--max-num-queued-reqs", str(queued)))
    seconds = str(choice.shutdown_timeout_s)
    why = "running answers are finished before the engine stops"
    yield Setting("drain", f"{seconds} s", why, ("--shutdown-timeout", seconds))


def _lora(lora: Lora) -> Setting:
    """Serve adapters; each rank is padded to one that the kernels know, and all stay in the host's memory."""
    rank = next(rank for rank in LORA_RANKS if rank >= lora.max_rank)
    words = _words(
        {
            "--max-loras": lora.max_loras,
            "--max-lora-rank": rank,
            "--max-cpu-loras": max(lora.max_loras, len(lora.adapters)),
        }
    )
    modules = tuple(f"{name}={path}" for name, path in lora.adapters.items())
    names = ", ".join(lora.adapters) or "none yet"
    return Setting(
        "LoRA adapters",
        f"{names}; rank up to {rank}, {lora.max_loras} in one batch",
        "every rank is padded to one that the kernels know",
        ("--enable-lora", *words, *(("--lora-modules", *modules) if modules else ())),
    )


def _defences() -> Iterator[Setting]:
    why = "a prompt can't make the engine fetch from another host"
    yield Setting("media from the network", "none", why, ("--allowed-media-domains", NO_DOMAIN))
    yield Setting("pages of the API's documentation", "off", "nobody needs them here", ("--disable-fastapi-docs",))
    yield Setting("code from the model's repository", "never", "`--trust-remote-code` is not passed")
    yield Setting("prompts in the engine's log", "never", "`--enable-log-requests` is not passed")


def _words(options: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(str(word) for pair in options.items() for word in pair)
