"""How many tokens the KV cache holds, by the block arithmetic of vLLM 0.33.0, to the token.

Sources, all of vLLM 0.33.0: `v1/core/kv_cache_planning.py` (groups, bytes per block), `v1/core/kv_cache_utils.py`
(concurrency and the two figures of the start-up log), `v1/kv_cache_interface.py` (blocks that a request needs),
`config/vllm.py` (tokens in flight), `distributed/utils.py` (layers of a pipeline stage).
"""

from __future__ import annotations

import itertools

import msgspec

from planner.architecture import Architecture, Cache

LATENT_STEP = 128
"""Kernels of latent attention want blocks of a multiple of this beside layers that keep a state."""
STATE_BLOCKS = 2
"""Blocks that a request's state takes with prefix caching: the running one, and the one at the last block's border."""
V0_ALIGNMENT = 128
"""The V0 engine padded a latent vector to a multiple of this: 576 numbers became 640."""


class CacheRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the arithmetic depends on besides the model.

    Attributes:
        tp: tensor-parallel ranks.
        pp: pipeline stages.
        number_bytes: bytes of one cached number: 2, or 1 for an FP8 cache.
        block: tokens in a block.
        max_len: longest request, in tokens.
        batched_tokens: most tokens scheduled in a step.
        extra_layers: further layers of a draft model, as the model's own full-attention layers are.
        v0: the engine of vLLM before 0.8, which knew one kind of layer only.

    """

    tp: int
    pp: int = 1
    number_bytes: int = 2
    block: int = 16
    max_len: int
    batched_tokens: int
    extra_layers: int = 0
    v0: bool = False


class CachePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The cache's layout, the same on every GPU.

    Attributes:
        bytes_per_block: of the stage that needs most; 0 where nothing is cached.
        blocks_per_request: for a request of the longest length.
        bytes_per_token: what one more token of a short request takes, all layers of the largest stage.
        bytes_per_token_long: the same once every window is full.

    """

    block: int
    max_len: int
    bytes_per_block: int
    blocks_per_request: int
    bytes_per_token: int
    bytes_per_token_long: int
    v0: bool = False

    def blocks(self, cache_bytes: int) -> int:
        """Return how many blocks fit into so many bytes of each GPU."""
        return max(0, cache_bytes) // self.bytes_per_block if self.bytes_per_block else 0

    def tokens(self, blocks: int) -> int:
        """Return what the log calls "GPU KV cache size": for models with windows it depends on the longest request."""
        return blocks * self.block if self.v0 else int(self.concurrency(blocks) * self.max_len)

    def concurrency(self, blocks: int) -> float:
        """Return what the log calls "Maximum concurrency": requests of the longest length that fit at once."""
        if not self.blocks_per_request:
            return 0.0
        if self.v0:
            return blocks * self.block / self.max_len
        return blocks / self.blocks_per_request

    def holds_one_request(self, blocks: int) -> bool:
        """Return whether the longest request fits; vLLM keeps one block back as a null block."""
        return blocks - (0 if self.v0 else 1) >= self.blocks_per_request

    def bytes_for_one_request(self) -> int:
        """Return the bytes of each GPU that the longest request needs."""
        return (self.blocks_per_request + (0 if self.v0 else 1)) * self.bytes_per_block


def plan_cache(model: Architecture, request: CacheRequest) -> CachePlan:
    """Lay the cache out as vLLM does."""
    layers = [caches for caches in model.caches if caches]
    if layers and request.extra_layers:
        draft = next((caches for caches in layers if caches[0].kind == "full"), layers[-1])
        layers += [
            tuple(msgspec.structs.replace(cache, kind="full", window=0) for cache in draft)
        ] * request.extra_layers
    if request.v0 or any(cache.kind == "chunked" for caches in layers for cache in caches):
        # vLLM allocates chunked layers in full by default: its hybrid manager is off for them (config/vllm.py).
        layers = [tuple(msgspec.structs.replace(c, kind="full", window=0) for c in caches) for caches in layers]
    request = msgspec.structs.replace(request, block=_aligned_block(layers, request))
    groups = _groups(layers, request)
    stages = [range(*stage) for stage in pipeline_stages(len(layers), request.pp)] if layers else []
    in_flight = (2 if request.pp == 1 else request.pp + 1) * request.batched_tokens
    sizes = [_tokens_page(caches, request) // request.block for caches in layers]
    windows = [0 if caches[0].kind != "full" else size for caches, size in zip(layers, sizes, strict=True)]
    return CachePlan(
        block=request.block,
        max_len=request.max_len,
        bytes_per_block=max((_stage_bytes(groups, layers, stage, request) for stage in stages), default=0),
        blocks_per_request=sum(_blocks(layers[group[0]][0], request, in_flight) for group in groups)
        + any(cache.kind == "ring" for caches in layers for cache in caches),
        bytes_per_token=max((sum(sizes[i] for i in stage) for stage in stages), default=0),
        bytes_per_token_long=max((sum(windows[i] for i in stage) for stage in stages), default=0),
        v0=request.v0,
    )


def pipeline_stages(layers: int, pp: int) -> list[tuple[int, int]]:
    """Return first and last-but-one layer of every stage; what is left over goes to the middle stages."""
    sizes = [layers // pp] * pp
    for index in range(2, layers % pp + 2):
        sizes[-index] += 1
    bounds = [0]
    for size in sizes:
        bounds.append(bounds[-1] + size)
    return list(itertools.pairwise(bounds))


def _aligned_block(layers: list[tuple[Cache, ...]], request: CacheRequest) -> int:
    """Return the tokens of a block: beside layers that keep a state so many that a block is no smaller than the state.

    Source: vLLM 0.33.0 `platforms/interface.py`, `_align_hybrid_block_size`.
    """
    attending = [caches[0] for caches in layers if caches[0].kind != "state"]
    states = [_state(caches[0], request) for caches in layers if caches[0].kind == "state"]
    if not states or not attending:
        return request.block
    step = max(request.block, LATENT_STEP) if attending[0].latent else request.block
    token = attending[0].bytes_per_token(request.tp, request.number_bytes)
    return max(request.block, step * -(-max(states) // (step * token)))


def _state(cache: Cache, request: CacheRequest) -> int:
    """Return the bytes of a state on each rank."""
    return cache.state_bytes // request.tp


def _page(caches: tuple[Cache, ...], request: CacheRequest) -> int:
    """Return the bytes that one layer takes of a block on each rank."""
    return _state(caches[0], request) if caches[0].kind == "state" else _tokens_page(caches, request)


def _tokens_page(caches: tuple[Cache, ...], request: CacheRequest) -> int:
    """Return the bytes of one block's tokens in one layer on each rank."""
    total = 0
    for cache in caches:
        size = cache.bytes_per_token(request.tp, request.number_bytes)
        if request.v0 and cache.latent:
            numbers = -(-cache.key_dim // V0_ALIGNMENT) * V0_ALIGNMENT
            size = numbers * request.number_bytes
        total += size * request.block
    return total


def _groups(layers: list[tuple[Cache, ...]], request: CacheRequest) -> list[list[int]]:
    """Divide the layers into groups that share a block table: by layer index.

    Layers of one kind make one group. Otherwise every kind is cut into groups of as many layers as the rarest kind has
    (or as the commonest, where that is less than half more), so that a block is as large in each.
    """
    kinds: dict[tuple[str, int], list[int]] = {}
    for index, caches in enumerate(layers):
        kinds.setdefault((caches[0].kind, caches[0].window), []).append(index)
    if len(kinds) < 2:
        return list(kinds.values())
    if any(len(caches) > 1 for caches in layers):
        return _packed(kinds, layers, request)
    counts = [len(indices) for indices in kinds.values()]
    size = max(counts) if max(counts) < min(counts) * 1.5 else min(counts)
    groups = []
    for indices in kinds.values():
        number = -(-len(indices) // size)
        groups += [indices[first::number] for first in range(number)]
    return groups


def _packed(
    kinds: dict[tuple[str, int], list[int]], layers: list[tuple[Cache, ...]], request: CacheRequest
) -> list[list[int]]:
    """Divide layers of which some keep an index beside their tokens: those stay one group, and states fit its block.

    Source: vLLM 0.33.0 `v1/core/kv_cache_planning.py`, `_get_packed_kv_cache_groups`.
    """
    indexed = max(kinds.values(), key=lambda indices: max(len(layers[index]) for index in indices))
    room = sum(_page(layers[index], request) for index in indexed)
    padded = layers[indexed[0]][0].bytes_per_token(request.tp, request.number_bytes) * request.block
    groups = []
    for indices in kinds.values():
        number = 1 if indices is indexed else -(-len(indices) // max(1, room // padded))
        groups += [indices[first::number] for first in range(number)]
    return groups


def _stage_bytes(groups: list[list[int]], layers: list[tuple[Cache, ...]], stage: range, request: CacheRequest) -> int:
    """Return the bytes of one block on a stage: those of its largest group, every page as large as the largest one."""
    if len(groups) == 1:
        return sum(_page(layers[index], request) for index in groups[0] if index in stage)
    if any(len(caches) > 1 for caches in layers):
        return max(sum(_page(layers[index], request) for index in group if index in stage) for group in groups)
    page = max(_page(caches, request) for caches in layers)
    return max(sum(index in stage for index in group) for group in groups) * page


def _blocks(cache: Cache, request: CacheRequest, in_flight: int) -> int:
    """Return the blocks that a request of the longest length holds in one group."""
    if cache.kind == "state":
        return STATE_BLOCKS
    if cache.kind == "full":
        return -(-request.max_len // request.block)
    tokens = min(cache.window - 1 + in_flight, request.max_len)
    return -(-tokens // request.block) + 1  # a window may begin inside a block
