"""Where somebody is to be told of alerts, every alert reaches somebody."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from planner.plan import Plan
from policies import examples
from policies.about import where
from policies.files import Files, UnreadableError
from policies.readers import ALERTMANAGER, PROMETHEUS
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

KINDS = ("webhook_configs", "email_configs")
NAMED = re.compile(r"alertname\s*=")
"""Begins a matcher that says which alert it is."""
TIMES = ("mute_time_intervals", "active_time_intervals")


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge whether what tells receivers is among the services."""
    runs = any(service.artefact == "alertmanager" for service in plan.services)
    if not runs:
        yield Violated("receivers of alerts are named, and no Alertmanager tells them")


def _on_files(files: Files) -> Iterable[Answer] | None:
    """Judge both files; None where there is no Alertmanager, and Prometheus names none."""
    told, watching = files.find(ALERTMANAGER), files.find(PROMETHEUS)
    if watching is None:
        return ()  # what is missing without Prometheus's file, other rules say
    try:
        tells = any(_targets(files.yaml(watching)))
        config = files.yaml(told) if told else None
    except UnreadableError as error:
        return (Violated(str(error)),)
    return _agree(watching, told, config, tells=tells) if told or tells else None


def _agree(watching: str, told: str | None, config: Any, *, tells: bool) -> Iterator[Answer]:
    if told and not tells:
        yield Violated("Prometheus tells no Alertmanager of alerts (`alerting.alertmanagers`)", file=watching)
    if tells and not told:
        yield Violated(f"{ALERTMANAGER} is missing: nobody can say whom Alertmanager tells", file=watching)
    for answer in _judge(config) if told else ():
        yield Violated(answer, file=told or "")


def _targets(prometheus: Any) -> Iterator[Any]:
    for manager in at(prometheus, "alerting", "alertmanagers") or ():
        for group in at(manager, "static_configs") or ():
            yield from at(group, "targets") or ()


def _judge(config: Any) -> Iterator[str]:
    """Yield what keeps alerts from being told."""
    named = {at(one, "name"): any(at(one, kind) for kind in KINDS) for one in at(config, "receivers") or ()}
    if not at(config, "route", "receiver"):
        yield "alerts that no route names reach nobody (`route.receiver`)"
    for route in _routes(at(config, "route")):
        receiver = at(route, "receiver")
        if receiver and not named.get(receiver):
            yield f"alerts that go to {receiver} reach nobody (`receivers`)"
        yield from (f"there are times at which nobody is told (`{name}`)" for name in TIMES if at(route, name))
    yield from (said for rule in at(config, "inhibit_rules") or () for said in _silenced(rule))


def _silenced(rule: Any) -> Iterator[str]:
    for side in ("source_matchers", "target_matchers"):
        if not any(NAMED.match(str(word)) for word in at(rule, side) or ()):
            yield f"an alert silences others without both being named (`{side}`)"


def _routes(route: Any) -> Iterator[Any]:
    if route:
        yield route
        for child in at(route, "routes") or ():
            yield from _routes(child)


_TELLS = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:9093"]}]}]}}
_SILENCED = {"source_matchers": ['alertname="TargetDown"'], "target_matchers": ['alertname="EngineHangs"']}


def _files(changes: Any | None = None, prometheus: Any | None = None) -> dict[str, str]:
    watching = examples.prometheus(_TELLS if prometheus is None else prometheus)
    return {**watching, **examples.alertmanager(changes or {})}


RULE = Rule(
    id="alerts-told",
    title="Where receivers are named, every alert reaches one",
    family="observability",
    severity="high",
    why=(
        "An alert that fires and reaches nobody is worse than none: people rely on it. A route to an empty receiver, a "
        "night without messages or one alert that silences all others is how an intruder buys time."
    ),
    remediation="Leave routes as they are rendered from `[alerts]`; `deploy alerts test` shows what arrives.",
    controls=("nist SI-4", "nist AU-6", "iso27001 A.8.16", "soc2 CC7.2"),
    references=("https://prometheus.io/docs/alerting/latest/configuration/#route",),
    good=(
        Example("every alert to one receiver", files=_files()),
        Example("symptoms of a named cause are silent", files=_files({"inhibit_rules": [_SILENCED]})),
        Example("nobody is to be told", files=examples.prometheus()),
    ),
    bad=(
        Example("Prometheus tells nobody", files=_files(prometheus={})),
        Example("it tells what nobody has seen", files=examples.prometheus(_TELLS)),
        Example("an empty receiver", files=_files({"receivers": [{"name": "operators"}]})),
        Example("a route to nobody", files=_files({"route.routes": [{"receiver": "nobody"}]})),
        Example("no route for the rest", files=_files({"route": {"routes": [{"receiver": "operators"}]}})),
        Example("quiet nights", files=_files({"route.mute_time_intervals": ["nights"]})),
        Example(
            "one silences all", files=_files({"inhibit_rules": [{**_SILENCED, "target_matchers": ['severity!=""']}]})
        ),
        Example("all silence one", files=_files({"inhibit_rules": [{**_SILENCED, "source_matchers": []}]})),
        Example("no YAML", files={**_files(), ALERTMANAGER: "route: ["}),
        Example("named and not run", plan=examples.told_at("10.0.0.9")),
    ),
    on_plan=where(lambda plan: plan.alerts, on_plan),
    on_files=_on_files,
)
