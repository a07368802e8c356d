"""`verify`: probe the running stack like a stranger and like a client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from lifecycle.exposure.verb import exposure_of_account
from lifecycle.journal import Journal
from lifecycle.node_files import node_files
from lifecycle.own_token import own_token
from lifecycle.parts import resolve
from lifecycle.policies import rules_of, today
from lifecycle.probes import auth, inference, observe, ports, replicas, routes, stored, tls
from lifecycle.probes.base import Check, Subject
from lifecycle.served_hosts import served_hosts
from lifecycle.stack import Stack
from planner.progress import Progress, Silent
from policies.run import Finding, evaluate, refusals
from templates.render import TEMPLATES

JUDGING = ("exposure", "policies")
"""Themes that judge what the stack is; the others try what it does."""
VERIFY_TOKEN_S = 300
"""Lifetime of the token that `verify` asks with, seconds."""


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` saw. `ok` is false if any check failed; checks that could not be tried are counted apart."""

    ok: bool
    stack: str
    checks: tuple[Check, ...]
    not_tried: int


def verify(stack: Stack, progress: Progress, token: str | None = None, *, judge: bool = True) -> VerifyReport:
    """Try everything.

    Args:
        stack: a stack that is up.
        progress: told about each theme.
        token: a token of the foreign issuer, where the stack does not issue its own.
        judge: run the rules and the exposure proof as well; evidence does so by itself, over what is read anew.

    """
    source = _token_source(stack, token)
    checks: list[Check] = []
    with Journal(stack.home.journal, "verify").step("verify"):
        for title, run in _all_themes(stack, source, progress):
            if title in JUDGING and not judge:
                continue
            with progress.step(title):
                checks += run()
    return VerifyReport(
        ok=all(check.ok is not False for check in checks),
        stack=stack.plan.stack,
        checks=tuple(checks),
        not_tried=sum(check.ok is None for check in checks),
    )


def _all_themes(
    stack: Stack, source: Callable[[], str | None], progress: Progress
) -> Iterator[tuple[str, Callable[[], Iterable[Check]]]]:
    """List the themes in reading order, wherever the services run."""
    with served_hosts(stack, progress) as hosts:
        if hosts is None:
            yield from _themes(stack, Subject(plan=stack.plan, layout=stack.layout, host="127.0.0.1", token=source))
            return
        from lifecycle.verify_metal import check_hosts  # noqa: PLC0415 - loads SSH

        yield "hosts", lambda: check_hosts(hosts, source, progress)
    if stack.plan.target == "aws":
        yield "exposure", lambda: [_exposure(stack)]
    yield "policies", lambda: [_judged(_findings(hosts.stack))]


def _themes(stack: Stack, subject: Subject) -> Iterator[tuple[str, Callable[[], Iterable[Check]]]]:
    """List the themes in reading order; each is run when its turn comes."""
    yield "services run", lambda: _services(stack)
    yield "ports", lambda: ports.probe(subject, [process.pid for process in stack.processes.processes()])
    yield "TLS", lambda: tls.probe(subject)
    yield "tokens", lambda: auth.probe(subject)
    yield "inference", lambda: inference.probe(subject)
    yield "replicas", lambda: replicas.probe(subject)
    yield "closed routes", lambda: routes.probe(subject)
    yield "secrets", lambda: stored.probe(subject)
    absent = [service.name for service in stack.plan.services if service.optional and resolve(service.artefact) is None]
    yield "metrics", lambda: observe.probe(subject, runs=stack.runs("prometheus"), absent=absent)
    yield "policies", lambda: [_policies(stack)]
    yield "exposure", lambda: [_exposure(stack)]


def _services(stack: Stack) -> Iterator[Check]:
    for state in stack.processes.status():
        optional = stack.plan.service(state.name).optional
        ok = True if state.state == "RUNNING" else None if optional else False
        yield Check(id=f"service.{state.name}", ok=ok, detail=state.state.lower())


def _policies(stack: Stack) -> Check:
    """Judge resources and files as they are, not as they were planned."""
    written = {name: Path(stack.layout.config, name) for name in TEMPLATES}
    rendered = {name: path.read_text(encoding="utf-8") for name, path in written.items() if path.is_file()}
    resources = stack.provisioner().resources()
    return _judged(evaluate(stack.plan, resources, rules_of(stack.plan), files=rendered, today=today()))


def _findings(stack: Stack) -> tuple[Finding, ...]:
    """Judge what hosts were given, and the account's resources where there are any."""
    resources = stack.provisioner().resources() if stack.plan.target == "aws" else ()
    files = node_files(stack.plan, stack.layout)
    return evaluate(stack.plan, resources, rules_of(stack.plan), files=files, today=today())


def _judged(findings: tuple[Finding, ...]) -> Check:
    refused = refusals(findings, settled=True)
    detail = "; ".join(f"{finding.rule}: {finding.message}" for finding in refused) or "every mandatory rule holds"
    return Check(id="policies.hold", ok=not refused, detail=detail)


def _exposure(stack: Stack) -> Check:
    """Prove that nobody but the named networks can come in, over what the account says of its network."""
    proof = exposure_of_account(stack.plan, stack.home, Silent())
    missing = [f"{breach.resource}: {breach.why}" for breach in proof.breaches] + list(proof.unknown)
    closed = sum(not path.open for path in proof.paths)
    return Check(id="exposure.proven", ok=proof.ok, detail="; ".join(missing) or f"{closed} paths closed")


def _token_source(stack: Stack, given: str | None) -> Callable[[], str | None]:
    """Return what gives a valid token: one of the stack's own, issued once, or the one that was given."""
    if given is not None or not stack.plan.identity.built_in:
        return lambda: given
    issued: list[str] = []

    def source() -> str:
        if not issued:
            issued.append(own_token(stack, "verify", VERIFY_TOKEN_S))
        return issued[0]

    return source
