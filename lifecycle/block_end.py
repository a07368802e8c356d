"""A Capacity Block ends later: the nodes that run in it are told, so that they go on taking requests until then.

Nothing else that a node has depends on the block's end. What a node is told is what the account says, and not what was
bought: an extension that is not paid yet moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from lifecycle.home import StackHome
from lifecycle.hosts.facts import read_facts
from lifecycle.hosts.serve_stack import serve_stack
from lifecycle.hosts.session import HostSession
from lifecycle.journal import Journal
from lifecycle.lock import hold
from lifecycle.served_hosts import served_hosts
from lifecycle.stack import Stack
from planner.capacity import Drain, Held, drain, moment
from planner.errors import DeployError
from planner.plan import Plan
from planner.progress import Progress

VERB = "capacity extend"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A stack whose nodes run in a block that ends later.

    Attributes:
        nodes: those that know; empty where they could not be told.
        drain: when they are left.
        why_not: why they were not told.

    """

    stack: str
    nodes: tuple[str, ...] = ()
    drain: Drain
    why_not: str = ""


def tell_nodes(homes: Iterable[StackHome], account: str, held: Held, progress: Progress) -> tuple[Told, ...]:
    """Tell the nodes of every stack of this machine that run in a block when it ends.

    A stack that cannot be told stops no other: what was bought is bought, and `deploy up` tells it as well.

    Args:
        homes: stacks to look at.
        account: number of the block's account.
        held: the block, as the account has it now.
        progress: told of every step.

    """
    return tuple(_tell(home, plan, held, progress) for home, plan in _users(homes, account, held))


def _users(homes: Iterable[StackHome], account: str, held: Held) -> Iterator[tuple[StackHome, Plan]]:
    """Yield the stacks whose nodes were made hosts, and run in the block."""
    for home in homes:
        if not home.nodes.is_file():
            continue
        plan = Stack.load(home).plan
        if plan.account.number == account and held.id in {node.reservation_id for node in plan.nodes}:
            yield home, plan


def _tell(home: StackHome, plan: Plan, held: Held, progress: Progress) -> Told:
    if held.end is None:
        raise ValueError(f"{held.id} has no end")
    times = drain(held.end, plan.gateway.request_timeout_s)
    try:
        with hold(home, VERB), progress.step(f"nodes of {home.name}"):
            nodes = _place(home, times, progress)
    except DeployError as error:
        progress.warn(f"{home.name}: {error.message}")
        return Told(stack=home.name, drain=times, why_not=error.message)
    progress.note(f"{home.name}: requests are taken until {moment(times.stop_taking_at)}")
    return Told(stack=home.name, nodes=nodes, drain=times)


def _place(home: StackHome, times: Drain, progress: Progress) -> tuple[str, ...]:
    """Bring the new times to every node through the tunnel, as `up` does; return the nodes' names."""
    with served_hosts(Stack.load(home, progress), progress, as_files=True) as served:
        if served is None:  # taken down meanwhile
            return ()
        with (
            Journal(home.journal, VERB).step("new end of the block"),
            HostSession.open(home, served.kept, VERB, progress, served.login) as session,
        ):
            facts = {one.host.name: read_facts(one.connection) for one in session.hosts}
            serve_stack(session, served.stack, facts, times)
            return tuple(facts)
