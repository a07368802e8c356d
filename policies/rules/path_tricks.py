"""A path means the same to the proxy and to what is behind it."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.readers import Traefik, on_traefik
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

ENCODED = tuple(
    f"allowEncoded{name}"
    for name in ("Slash", "BackSlash", "NullCharacter", "Semicolon", "Percent", "QuestionMark", "Hash")
)
"""Characters that mean one thing to a path rule and another to a server; Traefik allows them unless told otherwise."""
REWRITES = ("stripPrefix", "stripPrefixRegex", "replacePathRegex")
"""Middlewares by which paths were changed past rules (CVE-2026-48020, CVE-2026-40912)."""


def _judge(traefik: Traefik) -> Iterator[Answer]:
    for name, entry_point in traefik.published():
        if at(entry_point, "http", "sanitizePath") is not True:
            yield Violated(f"the entry point {name} takes paths with `..` as they come (`sanitizePath` is not true)")
        for character in ENCODED:
            if at(entry_point, "http", "encodedCharacters", character) is not False:
                yield Violated(f"the entry point {name} lets an encoded character through (`{character}` is not false)")
    for name, middleware in traefik.all_middlewares().items():
        for rewrite in REWRITES:
            if at(middleware, rewrite) is not None:
                yield Violated(f"{name} changes paths after the rules have seen them (`{rewrite}`)")


_HTTP = "entryPoints.websecure.http"

RULE = Rule(
    id="path-tricks",
    title="A path means the same to the proxy and to what is behind it",
    family="serving",
    severity="high",
    why=(
        "A path with an encoded slash or two dots passes the rule for one route and is served as another, past the one "
        "that asks for a token. Prefixes that are stripped after the rules have been the way in twice in 2026."
    ),
    remediation="Keep `sanitizePath` on and encoded characters off, and strip no prefixes; `deploy verify` tries them.",
    controls=("nist SI-10", "iso27001 A.8.26", "soc2 CC6.6"),
    references=("https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/",),
    good=(
        Example("paths as they are written", files=examples.traefik()),
        Example(
            "a path replaced whole",
            files=examples.traefik(routes={"http.middlewares.other": {"replacePath": {"path": "/x"}}}),
        ),
    ),
    bad=(
        Example("two dots", files=examples.traefik({f"{_HTTP}.sanitizePath": False})),
        Example("an encoded slash", files=examples.traefik({f"{_HTTP}.encodedCharacters.allowEncodedSlash": True})),
        Example("nothing said of encoded characters", files=examples.traefik({f"{_HTTP}.encodedCharacters": ...})),
        Example(
            "a stripped prefix",
            files=examples.traefik(routes={"http.middlewares.cut": {"stripPrefix": {"prefixes": ["/api"]}}}),
        ),
    ),
    on_files=on_traefik(_judge),
)
