"""`verify` of a stack on hosts: each is probed like a stranger and like a client, and looked at from inside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from lifecycle.hosts.ssh import Connection, connect
from lifecycle.hosts.subject import subject_of
from lifecycle.hosts.units import services_on
from lifecycle.probes import auth, inference, observe, replicas, routes, stored, tls
from lifecycle.probes.base import Check, Subject
from lifecycle.probes.hosts import HostProbe
from lifecycle.served_hosts import ServedHosts
from lifecycle.stack import Stack
from planner.errors import DeployError
from planner.plan import HostPlan
from planner.progress import Progress
from planner.services import STAND_IN
from planner.spanning import heads_of, part_of


def check_hosts(served: ServedHosts, token: Callable[[], str | None], progress: Progress) -> Iterator[Check]:
    """Yield every check of every host; one that is not reached fails, and keeps none of the others from being tried.

    Args:
        served: a stack that is up, and its hosts.
        token: gives a token that is valid for inference.
        progress: told about each theme.

    """
    stack, kept, login = served.stack, served.kept, served.login
    if any(decision.choice == STAND_IN for decision in stack.plan.decisions):
        progress.warn("the engine is a stand-in: answers mean nothing")
        yield Check(id="engine.real", ok=None, detail=f"{STAND_IN}: no answer means anything")
    for planned in stack.plan.hosts:
        try:
            way = kept.inventory.way_to(kept.inventory.named(planned.name))
            with contextlib.ExitStack() as opened:
                connection = opened.enter_context(connect(way, login))
                subject = None  # a further node of a replica has no endpoint
                if planned.rank == 0:
                    subject = opened.enter_context(subject_of(stack, kept, planned, login, token))
                for title, run in _themes(stack, planned, connection, subject):
                    with progress.step(f"{planned.name}: {title}"):
                        yield from _told_apart(stack, planned, run())
        except DeployError as error:
            yield Check(id=f"host.{planned.name}.reached", ok=False, detail=error.message)


def _themes(
    stack: Stack, planned: HostPlan, connection: Connection, subject: Subject | None
) -> Iterator[tuple[str, Callable[[], Iterable[Check]]]]:
    """List the themes in reading order; each is run when its turn comes."""
    straight = subject is not None and stack.plan.network.gateway_port not in subject.reached
    yield "host", HostProbe(part_of(stack.plan, planned), planned, connection, straight=straight).probe
    if subject is None:
        return
    yield "TLS", lambda: tls.probe(subject)
    yield "tokens", lambda: auth.probe(subject)
    yield "inference", lambda: inference.probe(subject)
    yield "replicas", lambda: replicas.probe(subject)
    yield "closed routes", lambda: routes.probe(subject)
    yield "secrets", lambda: stored.probe(subject)
    yield "metrics", lambda: _metrics(stack, connection, subject)


def _told_apart(stack: Stack, planned: HostPlan, checks: Iterable[Check]) -> Iterator[Check]:
    """Say which host it is of, where there are several."""
    for check in checks:
        alone = len(heads_of(stack.plan)) == 1 or check.id.startswith("host.")
        yield check if alone else msgspec.structs.replace(check, id=f"{check.id}@{planned.name}")


def _metrics(stack: Stack, connection: Connection, subject: Subject) -> Iterable[Check]:
    running = {one.name for one in services_on(stack.plan, connection) if one.state == "RUNNING"}
    absent = [one.name for one in stack.plan.services if one.optional and one.name not in running]
    return observe.probe(subject, runs="prometheus" in running, absent=absent)
