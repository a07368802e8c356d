"""The shape of a rule: what it forbids, the attack that explains it, and the proof that it works."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal, get_args

from planner.plan import Plan
from planner.resources import UNKNOWN, Resource
from policies.files import Files
from policies.manifests import Manifests
from policies.watch import Watch

Severity = Literal["low", "medium", "high", "critical"]

Level = Literal["mandatory", "advisory"]
"""`mandatory` stops `up`; `advisory` is told and no more."""

Family = Literal[
    "network",
    "identity",
    "encryption",
    "hosts",
    "serving",
    "data",
    "supply-chain",
    "observability",
    "lifecycle",
    "kubernetes",
]
FAMILIES: tuple[Family, ...] = get_args(Family)

Scope = Literal["plan", "resources", "files", "hosts"]
"""Where a rule judges, earliest first: what was decided, what is to be made of it, what programs are told, and what is
in force on hosts, where alone it can be seen."""

PLAN = "plan"
"""What a finding names when it is about the plan and not about one resource."""


@dataclass(frozen=True)
class Violated:
    """The rule does not hold.

    Attributes:
        message: what is wrong, in one sentence that names the value found.
        resource: where, when a check looks at more than one resource.
        file: where, when a check looks at rendered files.

    """

    message: str
    resource: Resource | None = None
    file: str = ""


@dataclass(frozen=True)
class NotKnown:
    """Nobody can tell yet: a value is decided only when another resource exists.

    Attributes:
        what: the property, or what else is missing.
        resource: where, when a check looks at more than one resource.
        file: where, when a check looks at rendered files.

    """

    what: str
    resource: Resource | None = None
    file: str = ""


Answer = Violated | NotKnown
"""What a check yields; one that yields nothing holds."""

Answers = Iterable[Answer] | None
"""What a check returns. None: what it was handed is not what the rule is about, which is no pass."""


class Stack:
    """All resources of a stack, and the plan they come from.

    `plan` is None where a policy engine does not know it; checks that need it then answer `NotKnown`.
    """

    def __init__(self, plan: Plan | None, resources: tuple[Resource, ...]) -> None:
        self.plan = plan
        self.watch = Watch()
        self._resources = resources

    @property
    def resources(self) -> tuple[Resource, ...]:
        """All resources, in order of registration."""
        self.watch.handed |= bool(self._resources)
        return self._resources

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Yield the resources of these types: type by type, each in order of registration."""
        for type_ in types:
            for resource in self._by_type.get(type_, ()):
                self.watch.handed = True
                yield resource

    @cached_property
    def _by_type(self) -> Mapping[str, list[Resource]]:
        """Resources by their type: rules ask for one type after the other, of stacks with hundreds."""
        found: dict[str, list[Resource]] = {}
        for resource in self._resources:
            found.setdefault(resource.type, []).append(resource)
        return found

    def contains(self, value: object, type_: str, *, seen_from: Resource) -> bool | None:
        """Tell whether an id, ARN or name is that of a resource of this stack; None when not known yet.

        One that is known is compared with those of the stack's resources: what does not exist yet has none, so that a
        literal id is then somebody else's. For one that is not known, the dependencies of `seen_from` decide.
        """
        if value in self._given(type_):
            return True
        candidates = tuple(self.of_type(type_))
        if value is UNKNOWN:
            return any(candidate.urn in seen_from.dependencies for candidate in candidates) or None
        return any(
            value in (candidate.id or None, candidate.outputs.get("arn"), candidate.inputs.get("name"))
            for candidate in candidates
            if value
        )

    def _given(self, type_: str) -> tuple[str, ...]:
        """Return the ids of that type which the plan says are a company's own: `up` checks them in the account."""
        given = self.plan.network.given if self.plan else None
        if given is None:
            return ()
        return {"aws:ec2/vpc:Vpc": (given.vpc_id,), "aws:ec2/subnet:Subnet": given.subnet_ids}.get(type_, ())


@dataclass(frozen=True)
class Example:
    """A smallest stack that shows one thing, run by a test and shown in the documentation.

    Attributes:
        shows: what, in a few words.
        resources: as registered.
        plan: None where the example needs none.
        files: rendered files, path -> text; None where the example has none.
        day: on which it is judged.
        manifests: of Kubernetes, path -> text; None where the example has none.

    """

    shows: str
    resources: tuple[Resource, ...] = ()
    plan: Plan | None = None
    files: Mapping[str, str] | None = field(default=None, hash=False)
    day: date | None = None
    manifests: Mapping[str, str] | None = field(default=None, hash=False)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule; `policies.pack` hands the same fields to Pulumi's policy engine.

    Attributes:
        id: stable name, also that of its file (with underscores).
        title: what must be true.
        family: what it is about.
        severity: how bad a violation is.
        level: whether a violation stops `up`.
        why: the attack, in two sentences.
        remediation: what to change: a profile field or a command, in backquotes.
        controls: what it serves, as numbers of `benchmarks.toml`, for example `nist SC-7`.
        references: where to read more.
        good: stacks on which the rule is silent.
        bad: stacks on which it fires.
        on_resource: judges one resource by its inputs alone, which an engine can do before it is created.
        on_stack: judges resources together, with the plan beside them.
        on_plan: judges the plan, before any resource is registered.
        on_day: judges the plan on a day, which whoever runs the rules passes in.
        on_files: judges rendered files.
        on_manifests: judges manifests of Kubernetes.
        on_hosts: judges files that only hosts have: no plan renders them.

    A check that is handed a stack, files or manifests is about what it takes from them; one that is handed a resource
    or a plan returns None for what it is not about (`policies.about`).

    """

    id: str
    title: str
    family: Family
    severity: Severity
    level: Level = "mandatory"
    why: str
    remediation: str
    controls: tuple[str, ...]
    references: tuple[str, ...]
    good: tuple[Example, ...]
    bad: tuple[Example, ...]
    on_resource: Callable[[Resource], Answers] | None = None
    on_stack: Callable[[Stack], Answers] | None = None
    on_plan: Callable[[Plan], Answers] | None = None
    on_day: Callable[[Plan, date], Answers] | None = None
    on_files: Callable[[Files], Answers] | None = None
    on_manifests: Callable[[Manifests], Answers] | None = None
    on_hosts: Callable[[Files], Answers] | None = None

    @property
    def levels(self) -> tuple[Scope, ...]:
        """Where it judges, earliest first."""
        judged: dict[Scope, bool] = {
            "plan": bool(self.on_plan or self.on_day),
            "resources": bool(self.on_resource or self.on_stack),
            "files": bool(self.on_files or self.on_manifests),
            "hosts": bool(self.on_hosts),
        }
        return tuple(scope for scope, does in judged.items() if does)
