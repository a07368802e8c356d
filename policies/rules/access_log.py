"""Requests are recorded, and no secret with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies import examples
from policies.readers import on_static, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

WITH_QUERY = ("RequestLine", "RequestPath")
"""Fields that hold the query string, in which people put tokens."""


def _judge(config: Any) -> Iterator[Answer]:
    if at(config, "accessLog") is None:
        yield Violated("nobody records requests (`accessLog` is missing)")
        return
    fields = table(config, "accessLog", "fields")
    names = table(fields, "names")
    for name in WITH_QUERY:
        if names.get(name, at(fields, "defaultMode") or "keep") != "drop":
            yield Violated(f"the query string is written to the log (`{name}`)")
    headers = table(fields, "headers")
    if at(headers, "defaultMode") not in (None, "drop"):  # Traefik drops them unless told otherwise
        yield Violated(f"every header is written to the log (`headers.defaultMode` is {at(headers, 'defaultMode')})")
    for name, mode in table(headers, "names").items():
        if name.lower() in ("authorization", "cookie", "set-cookie", "x-api-key") and mode == "keep":
            yield Violated(f"the header {name} is written to the log")


_FIELDS = "accessLog.fields"

RULE = Rule(
    id="access-log",
    title="Requests are recorded, without tokens or query strings",
    family="observability",
    severity="high",
    why=(
        "Without a record nobody can say afterwards who asked what, and when. A record with headers in it is a list of "
        "tokens for whoever reads logs."
    ),
    remediation=(
        "Keep `accessLog` with headers, `RequestLine` and `RequestPath` dropped; `deploy logs traefik` shows it."
    ),
    controls=("nist AU-2", "nist AU-12", "iso27001 A.8.15", "soc2 CC7.2"),
    references=("https://doc.traefik.io/traefik/reference/install-configuration/observability/logs-and-accesslogs/",),
    good=(
        Example("a record without either", files=examples.traefik()),
        Example("nothing said of headers", files=examples.traefik({f"{_FIELDS}.headers": ...})),
    ),
    bad=(
        Example("no record", files=examples.traefik({"accessLog": ...})),
        Example("headers", files=examples.traefik({f"{_FIELDS}.headers.defaultMode": "keep"})),
        Example("the token", files=examples.traefik({f"{_FIELDS}.headers.names": {"Authorization": "keep"}})),
        Example("query strings", files=examples.traefik({f"{_FIELDS}.names": {"RequestLine": "drop"}})),
    ),
    on_files=on_static(_judge),
)
