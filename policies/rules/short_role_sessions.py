"""What a role was lent for ends soon."""

from __future__ import annotations

from collections.abc import Iterator

from planner.resources import Resource
from policies import examples
from policies.about import by_type
from policies.rule import Answer, Example, Rule
from policies.values import at, require

ROLE = "aws:iam/role:Role"
LONGEST_S = 14_400


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge how long a session of a role may last; an hour where nothing is said."""
    value = at(resource.inputs, "maxSessionDuration")
    message = f"its sessions last {value} s, and {LONGEST_S} s are enough (`maxSessionDuration`)"
    yield from require(value, _short, "maxSessionDuration", message)


def _short(value: object) -> bool:
    return value is None or (isinstance(value, int) and value <= LONGEST_S)


RULE = Rule(
    id="short-role-sessions",
    title="Sessions of roles last four hours at most",
    family="identity",
    severity="medium",
    why=(
        "Credentials that were copied from a session are good until it ends, wherever they are used. Nobody can "
        "end one session of a role without ending all."
    ),
    remediation="Leave `maxSessionDuration` out, or at 14400 and less; `deploy plan` shows the verdict.",
    controls=("nist AC-6", "nist IA-5", "iso27001 A.8.5", "soc2 CC6.1"),
    references=("https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-settings.html",),
    good=(
        Example("an hour, where nothing is said", (examples.resource(ROLE, "node"),)),
        Example("four hours", (examples.resource(ROLE, "node", maxSessionDuration=14400),)),
    ),
    bad=(
        Example("twelve hours", (examples.resource(ROLE, "node", maxSessionDuration=43200),)),
        Example("five hours", (examples.resource(ROLE, "node", maxSessionDuration=18000),)),
    ),
    on_resource=by_type({ROLE: on_resource}),
)
