"""`up`: from a profile to a running endpoint. Every step may be killed; the next run goes on from there."""

from __future__ import annotations

import contextvars
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from lifecycle import files, ports
from lifecycle.alert_files import place_alert_files, read_alert_files
from lifecycle.home import StackHome
from lifecycle.journal import Journal
from lifecycle.langfuse_secrets import ensure_langfuse_secrets
from lifecycle.lifetime import refuse_expired
from lifecycle.lock import hold
from lifecycle.own_token import own_token
from lifecycle.parts import obtain
from lifecycle.pki import ensure_certificate
from lifecycle.planning import Kept, PlanReport, Request, decide, judge, plan_with_ports, remember
from lifecycle.planning import upstream_key as read_upstream_key
from lifecycle.policies import rules_of
from lifecycle.probes.base import Subject
from lifecycle.processes import PortTakenError
from lifecycle.refusals import refuse_violations
from lifecycle.register import IssuerFiles, Revocations, write_revocations
from lifecycle.stack import Stack
from lifecycle.tokens import ensure_issuer
from lifecycle.up_report import UpReport, report_of
from planner.errors import DeployError
from planner.outputs import Outputs
from planner.plan import Plan
from planner.progress import Progress
from planner.services import wanted_ports
from sandbox.engine import Change
from templates.render import TEMPLATES, render

ENDPOINT_TIMEOUT_S = 60
UPSTREAM_TIMEOUT_S = 15
"""A server that somebody else runs is there already, or it is not."""
PORT_TRIES = 5
"""How often ports are chosen anew when somebody takes one between choice and bind."""


def up(
    home: StackHome, request: Request, progress: Progress, *, agree: Callable[[PlanReport], bool] = lambda _: True
) -> UpReport:
    """Bring the stack up.

    Args:
        home: where the stack lives.
        request: what is asked for.
        progress: told about each step.
        agree: shown the judged plan before anything is created; False stops.

    Raises:
        DeployError: something went wrong; the message says what exists now and what to do next.

    """
    started = time.monotonic()
    plan, kept = decide(home, request)  # whatever is wrong with the request is said before a folder is made
    refuse_expired(plan, datetime.now(UTC))
    read_alert_files(plan.alerts)
    with hold(home, "up"):
        home.create()
        with Journal(home.journal, "up").step("up", request.profile):
            if plan.target == "aws":
                from lifecycle.up_aws import UpAws  # noqa: PLC0415 - the sandbox does not need it

                return UpAws(home, request.state, progress, agree).run(plan, kept, started)
            if kept.hosts:
                from lifecycle.up_metal import UpMetal  # noqa: PLC0415 - loads SSH, which the sandbox does not need

                return UpMetal(home, kept.hosts, progress, agree).run(plan, kept, started)
            return _Up(home, request, progress, agree).run(started)


class _Up:
    """One run of `up`, step by step."""

    def __init__(
        self, home: StackHome, request: Request, progress: Progress, agree: Callable[[PlanReport], bool]
    ) -> None:
        self.home = home
        self.request = request
        self.progress = progress
        self.agree = agree
        self.journal = Journal(home.journal, "up")
        self.started = self.endpoint_after_s = self.resources_s = 0.0
        self.pool = ThreadPoolExecutor(1)
        self.obtained: dict[str, Future[str]] = {}

    def run(self, started: float) -> UpReport:
        with self.progress.step("plan"):
            plan, kept = self._plan()
            report = judge(plan, self.home, self.progress)
        refuse_violations(report.findings, rules_of(report.plan))
        if not self.agree(report):
            raise DeployError("not agreed: nothing was created", hint="", code="not_agreed")
        with self.journal.step("write plan"):
            key = read_upstream_key(kept)
            remember(self.home, plan, kept)
        self.started = started
        stack, changes, models = self._start(plan, kept, key)
        return report_of(
            stack,
            models,
            Counter(change.op for change in changes),
            started=started,
            endpoint_after_s=self.endpoint_after_s,
            resources_s=self.resources_s,
        )

    def _plan(self, anew: tuple[str, ...] = ()) -> tuple[Plan, Kept]:
        plan, kept = decide(self.home, self.request)
        numbers = ports.choose(self.home, wanted_ports(plan), anew=anew)
        return plan_with_ports(self.home, kept, numbers), kept

    def _start(self, plan: Plan, kept: Kept, key: str | None) -> tuple[Stack, tuple[Change, ...], tuple[str, ...]]:
        """Bring everything about; choose ports again, and go on, when one was taken meanwhile."""
        for attempt in range(PORT_TRIES):
            stack = Stack(self.home, plan, self.progress)
            with self.progress.step("secrets and certificates"), self.journal.step("secrets and certificates"):
                prepare_secrets(stack, key)
            with self.journal.step("render configuration"):
                render_configuration(stack)
            try:
                return stack, *self._bring_about(stack)
            except PortTakenError as error:
                if attempt == PORT_TRIES - 1:
                    raise
                self.progress.warn(f"port {error.port} of {error.service} was taken meanwhile: choosing another")
                taken = self._taken(stack)
                plan, kept = self._plan(anew=taken)
                remember(self.home, plan, kept)
        raise AssertionError  # the loop returns or raises

    def _bring_about(self, stack: Stack) -> tuple[tuple[Change, ...], tuple[str, ...]]:
        """Start what the endpoint needs, wait until it answers, and start the rest."""
        changes = self._side_by_side(stack)
        with self.progress.step("endpoint answers"):
            models = wait_for_endpoint(stack)
        self.endpoint_after_s = round(time.monotonic() - self.started, 2)
        self._start_late(stack)
        return changes, models

    @staticmethod
    def _taken(stack: Stack) -> tuple[str, ...]:
        """Return every port that somebody else has by now: whoever took one may have taken its neighbours too."""
        running = {state.name for state in stack.processes.status() if state.state == "RUNNING"}
        return tuple(
            f"{service.name}.{port.name}"
            for service in stack.plan.services
            for port in service.ports
            if service.name not in running and not ports.is_free(port.number)
        )

    def _side_by_side(self, stack: Stack) -> tuple[Change, ...]:
        with self.progress.step("emulated account"), self.journal.step("start aws"):
            stack.processes.start(["aws"])
        # What the endpoint does not wait for may have to be fetched first: that begins now.
        self.obtained = {s.name: self.pool.submit(obtain, s.artefact) for s in stack.plan.services if s.optional}
        with ThreadPoolExecutor(1) as pool:
            services = pool.submit(contextvars.copy_context().run, self._services, stack)
            try:
                _, changes = self._resources(stack)
            finally:
                services.exception()  # whatever happens, no thread of ours is left behind
            services.result()
        return changes

    def _services(self, stack: Stack) -> None:
        names = [service.name for service in stack.plan.services if not service.optional]
        with self.progress.step("services"), self.journal.step("start services", ", ".join(names)):
            stack.processes.start(names)

    def _resources(self, stack: Stack) -> tuple[Outputs, tuple[Change, ...]]:
        started = time.monotonic()
        with self.progress.step("resources"), self.journal.step("resources"):
            outputs, changes = stack.provisioner().up()
        self.resources_s = round(time.monotonic() - started, 2)
        return outputs, changes

    def _start_late(self, stack: Stack) -> None:
        """Start what the endpoint does not wait for; what cannot be had here is said, and the rest runs."""
        for service in stack.plan.services:
            if not service.optional:
                continue
            with self.progress.step(service.name), self.journal.step(f"start {service.name}"):
                if why := self.obtained[service.name].result():
                    self.progress.warn(f"{service.name} is not to be had on this machine: {why}")
                else:
                    stack.processes.start([service.name])


def prepare_secrets(stack: Stack, upstream_key: str | None) -> None:
    """Make what is secret, where it is missing: the engine's key, the issuer's key, the certificate."""
    folder = Path(stack.layout.secrets)
    for secret in stack.plan.secrets:
        path = folder / secret.name
        if secret.name == "engine-api-key" and not path.is_file():
            files.write(path, secrets.token_urlsafe(32))
        if secret.name == "upstream-api-key" and upstream_key:
            files.write(path, upstream_key)
    issuer_files = IssuerFiles.of(stack.layout)
    if stack.plan.identity.built_in:
        ensure_issuer(stack.plan, stack.layout)
    elif not issuer_files.revocations.exists():
        files.make_private_folder(issuer_files.revocations.parent)
        write_revocations(issuer_files, Revocations())
    ensure_certificate(stack.plan.tls, stack.layout, datetime.now(UTC))
    place_alert_files(stack.plan.alerts, stack.layout)
    ensure_langfuse_secrets(stack.plan, stack.layout)


def render_configuration(stack: Stack) -> None:
    """Write every rendered file that differs from what is there, and remove those that are no longer rendered."""
    rendered = render(stack.plan, stack.layout)
    for name in TEMPLATES.keys() - rendered.keys():
        Path(stack.layout.config, name).unlink(missing_ok=True)
    for name, text in rendered.items():
        path = Path(stack.layout.config, name)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.write(path, text)


def wait_for_endpoint(
    stack: Stack, *, host: str = "127.0.0.1", reached: Mapping[int, int] | None = None, timeout_s: float | None = None
) -> tuple[str, ...]:
    """Ask for the models, as a client does, until they come; return their names.

    Args:
        stack: whose endpoint.
        host: where it is reached.
        reached: port of the plan -> port of this machine from which a tunnel leads there.
        timeout_s: how long it may take; None for as long as it may in the sandbox.

    Raises:
        DeployError: no answer in time, or an answer that no OpenAI-compatible server gives.

    """
    if timeout_s is None:
        timeout_s = UPSTREAM_TIMEOUT_S if stack.plan.upstream else ENDPOINT_TIMEOUT_S
    token = own_token(stack, "up", round(timeout_s) + 60) if stack.plan.identity.built_in else None
    subject = Subject(plan=stack.plan, layout=stack.layout, host=host, token=lambda: token, reached=reached or {})
    deadline = time.monotonic() + timeout_s
    last: Any = None
    with subject.client(token) as client:
        while time.monotonic() < deadline:
            try:
                answer = client.get("/v1/models")
            except httpx.HTTPError as error:
                last = error
            else:
                if answer.status_code == 200:
                    return tuple(str(model["id"]) for model in answer.json()["data"])
                if answer.status_code == 401 and token is None:
                    return ()  # a foreign issuer's tokens are not ours to make: being asked for one is all we can see
                last = f"HTTP {answer.status_code}: {answer.text[:200]}"
            time.sleep(0.05)
    raise _no_answer(stack, last, timeout_s)


def _no_answer(stack: Stack, last: Any, timeout_s: float) -> DeployError:
    if stack.plan.upstream:
        return DeployError(
            f"the upstream {stack.plan.upstream.url} gives no models through the gateway; last seen: {last}",
            hint="Is it running, OpenAI-compatible, and its key right? See `deploy logs gateway`.",
            code="upstream_not_answering",
        )
    return DeployError(
        f"the endpoint {stack.url} did not answer within {timeout_s:.0f} s; last seen: {last}",
        hint="`deploy status` shows which service is down, `deploy logs NAME` why; `deploy up` goes on from here.",
        code="endpoint_not_answering",
    )
