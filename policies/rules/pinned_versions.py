"""Every program has one version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planner.plan import Image, Plan, Service
from policies import examples
from policies.rule import Answer, Example, Rule, Violated

EXACT = re.compile(r"\d+(\.\d+)+([.+~-][0-9A-Za-z.]+)*")
"""At least two numbers: a single one is a line of versions."""
DIGEST = re.compile(r"sha256:[0-9a-f]{12,64}")


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the version of each service and of the engine."""
    running = [(service.name, service.version) for service in plan.services if not _by_digest(service)]
    for name, version in (*running, ("the engine", plan.engine.version)):
        if not EXACT.fullmatch(version):
            yield Violated(f"{name} has the version {version or '(none)'}, which is not one version alone")


def _by_digest(service: Service) -> bool:
    """Tell whether a service's version is the beginning of its image's digest, which names one content alone."""
    return bool(
        service.image and DIGEST.fullmatch(service.version) and service.image.digest.startswith(service.version)
    )


def _image(version: str) -> Plan:
    image = Image(repository="registry.example/x", digest=f"sha256:{'c' * 64}", command=("x",))
    return examples.changed(services=(examples.service("x", version=version, image=image),))


def _version(text: str) -> Plan:
    return examples.changed(services=(examples.service("traefik", version=text),))


RULE = Rule(
    id="pinned-versions",
    title="Every program has one exact version",
    family="supply-chain",
    severity="high",
    why=(
        "`latest` is whatever its publisher, or whoever has its account, made of it an hour ago. Two nodes that "
        "start on two days run two programs."
    ),
    remediation="Name the version in the catalogue's `artefacts.toml`; `deploy version` prints those in use.",
    controls=("nist CM-2", "nist SI-7", "iso27001 A.8.19", "soc2 CC8.1", "owasp-llm LLM03"),
    references=("https://slsa.dev/spec/v1.0/",),
    good=(
        Example("three numbers", plan=_version("3.7.15")),
        Example("a distribution's revision", plan=_version("2.42.0+ds-5")),
        Example("the digest of its image", plan=_image(f"sha256:{'c' * 12}")),
    ),
    bad=(
        Example("whatever is newest", plan=_version("latest")),
        Example("a range", plan=_version(">=3.7")),
        Example("a line of versions", plan=_version("3")),
        Example("nothing", plan=_version("")),
        Example("the digest of another image", plan=_image(f"sha256:{'d' * 12}")),
        Example("an engine without one", plan=examples.changed(engine={"version": "main"})),
    ),
    on_plan=on_plan,
)
