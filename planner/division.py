"""Into how many ranks and stages a replica is divided, and why."""

from __future__ import annotations

from planner.architecture import Architecture
from planner.errors import PlanError
from planner.parallel import LayoutError, Parallel, check_parallel

SPANNED_NODE_GPUS = 8
"""GPUs of the smallest machines that are sold with a network between their GPUs (EFA, InfiniBand)."""


def choose_parallel(
    model: Architecture, gpus: int, node_gpus: int, *, tp: int = 0, pp: int = 0, ep: bool | None = None
) -> tuple[Parallel, str]:
    """Return the division and the reason for it.

    Tensor parallelism is fastest where the links are: within a node. Stages pass little and so may cross nodes. Experts
    are dealt out whole where a quantisation block would be cut otherwise.

    Args:
        model: what is divided.
        gpus: GPUs of the replica.
        node_gpus: GPUs of a node that it may use.
        tp: tensor-parallel ranks that the profile asks for; 0 to choose.
        pp: pipeline stages that it asks for; 0 to choose.
        ep: expert parallelism that it asks for; None to choose.

    Raises:
        PlanError: no division of so many GPUs suits the model, with the reason of the most obvious one.

    """
    first: LayoutError | None = None
    for ranks in [tp] if tp else [n for n in range(min(gpus, node_gpus), 0, -1) if gpus % n == 0]:
        stages = pp or gpus // ranks
        if ranks * stages != gpus:
            continue
        for dealt in [ep] if ep is not None else [False, True] if model.experts else [False]:
            parallel = Parallel(tp=ranks, pp=stages, ep=dealt)
            try:
                check_parallel(model, parallel)
            except LayoutError as error:
                first = first or error
            else:
                return parallel, _reason(parallel, asked=bool(tp or pp or ep is not None), first=first)
    if first:
        raise first
    raise PlanError(
        f"{tp or 'no'} tensor-parallel ranks x {pp or 'any'} stages do not come to {gpus} GPUs",
        hint="Set `hardware.count` to the product of `hardware.tensor_parallel` and `hardware.pipeline_parallel`.",
    )


def nodes_of(gpus: int, node_gpus: int) -> int:
    """Return how many nodes one replica takes, 0 where such nodes cannot carry it.

    Only full nodes of eight GPUs are joined by links that a replica can span.

    Args:
        gpus: GPUs of the replica.
        node_gpus: GPUs of a node.

    """
    if gpus <= node_gpus:
        return 1
    return gpus // node_gpus if node_gpus >= SPANNED_NODE_GPUS and gpus % node_gpus == 0 else 0


def machines_for(replicas: int, gpus: int, node_gpus: int) -> int:
    """Return how many machines so many replicas take, each on `gpus` GPUs, where `nodes_of` says that they can."""
    nodes = nodes_of(gpus, node_gpus)
    return replicas * nodes if nodes > 1 else -(-replicas // (node_gpus // gpus))


def _reason(parallel: Parallel, *, asked: bool, first: LayoutError | None) -> str:
    if asked:
        return "named in the profile"
    if first and parallel.ep:
        return f"experts are dealt out whole, because otherwise {first.message}"
    if first:
        return f"the widest division that suits the model: {first.message}"
    if parallel.pp > 1:
        return "tensor parallelism within a node, pipeline stages across nodes"
    return "one GPU holds the model" if parallel.tp == 1 else "every layer is divided among the GPUs of one node"
