"""Who may do what and who may reach what, as resources tell the account: every statement, every rule of a group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lifecycle.evidence.records import Access, Grant, GroupRule
from planner.resources import UNKNOWN, Resource
from policies.documents import MalformedError, Statement, UndecidedError, read
from policies.exposure.network import Rule
from policies.exposure.planned import DEFAULT_GROUP, EGRESS, GROUP, INGRESS, PEERS, groups_of
from policies.run import place_of

DOCUMENTS = ("assumeRolePolicy", "policy")
"""Inputs of resources that hold a policy document, whatever the type."""


def access_of(resources: tuple[Resource, ...]) -> Access:
    """Return the summary.

    Args:
        resources: as registered, or as they are; ids may be made up.

    """
    groups = groups_of(one for one in resources if not _dark(one))
    names = {group.id: group.name for group in groups}
    return Access(
        grants=tuple(_grants(resources)),
        groups=(
            *(_rule(group.name, rule, names) for group in groups for rule in group.rules),
            *(_unread(one) for one in resources if one.type in (INGRESS, EGRESS) and _dark(one)),
        ),
    )


def _dark(resource: Resource) -> bool:
    """Tell whether it is a group, or a rule of one, that could not be read."""
    said = ("ipProtocol", "fromPort", "toPort", "ingress", "egress", *PEERS)
    ours = resource.type in (GROUP, DEFAULT_GROUP, INGRESS, EGRESS)
    return ours and any(resource.inputs.get(name) is UNKNOWN for name in said)


def _unread(rule: Resource) -> GroupRule:
    word, inward = "not known: it could not be read", rule.type == INGRESS
    group = f"{rule.inputs.get('securityGroupId', '')}, {rule.name}"
    return GroupRule(group=group, direction="in" if inward else "out", protocol=word, ports=word, peer=word)


def _grants(resources: Iterable[Resource]) -> Iterator[Grant]:
    for resource in resources:
        for name in DOCUMENTS:
            document = resource.inputs.get(name)
            if document is not None:
                yield from _of_document(place_of(resource), name, document)


def _of_document(place: str, name: str, document: object) -> Iterator[Grant]:
    try:
        for statement in read(document):
            yield _grant(place, name, statement)
    except (UndecidedError, MalformedError) as error:
        yield Grant(
            resource=place,
            document=name,
            statement=str(error),
            effect="not known yet",
            principals=(),
            actions=(),
            resources=(),
            conditions=(),
        )


def _grant(place: str, name: str, statement: Statement) -> Grant:
    return Grant(
        resource=place,
        document=name,
        statement=statement.label,
        effect="Allow" if statement.allows else "Deny",
        principals=tuple("*" if kind == "*" else f"{kind} {_word(who)}" for kind, who in statement.principals),
        actions=(*map(_word, statement.actions), *statement.negated),
        resources=tuple(map(_word, statement.resources)),
        conditions=tuple(f"{operator} {key} = {_word(value)}" for operator, key, value in statement.conditions),
    )


def _word(word: object) -> str:
    return "(decided at apply)" if word is UNKNOWN else str(word)


def _rule(group: str, rule: Rule, names: dict[str, str]) -> GroupRule:
    span = "all" if rule.first == -1 else str(rule.first) if rule.first == rule.last else f"{rule.first}-{rule.last}"
    return GroupRule(
        group=group,
        direction="in" if rule.inbound else "out",
        protocol="all" if rule.protocol == "-1" else rule.protocol,
        ports=span,
        peer=f"group {names[rule.peer]}" if rule.peer in names else rule.peer,
    )
