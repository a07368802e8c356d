"""No program has a published weakness."""

from __future__ import annotations

from collections.abc import Iterator

from planner.advisories import affects, load_advisories, version_of
from planner.plan import Plan
from policies import examples
from policies.rule import Answer, Example, Rule, Violated


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the version of every program that the table is about."""
    table = load_advisories().advisory
    watched = {advisory.program for advisory in table}
    running = {(service.artefact, service.version) for service in plan.services}
    for program, text in sorted(running | {(plan.engine.name, plan.engine.version)}):
        version = version_of(text)
        if program in watched and version is None:
            yield Violated(f"nobody can say which weaknesses {program} {text} has: that is no version")
        for advisory in table:
            if advisory.program == program and version is not None and affects(advisory, version):
                mended = " or ".join(advisory.fixed) or "no version yet"
                yield Violated(f"{program} {text} has {advisory.id}: {advisory.what}; mended in {mended}")


def _running(program: str, version: str) -> Plan:
    return examples.changed(services=(examples.service(program, version=version),))


RULE = Rule(
    id="no-known-advisories",
    title="No program has a published weakness",
    family="supply-chain",
    severity="critical",
    why=(
        "What is published is tried by everybody the same week. A request with a crafted Host header asks vLLM before "
        "0.22.0 without any key."
    ),
    remediation="Take a mended version into the catalogue and run `deploy up`; `deploy version` names those in use.",
    controls=("nist SI-2", "nist RA-5", "iso27001 A.8.8", "soc2 CC7.1", "owasp-llm LLM03", "nis2 Art. 21(2)(e)"),
    references=(
        "https://github.com/vllm-project/vllm/security/advisories",
        "https://github.com/traefik/traefik/security/advisories",
    ),
    good=(
        Example("versions past every fix", plan=_running("traefik", "3.7.15")),
        Example("a line that is newer than every fix", plan=_running("traefik", "3.8.0")),
        Example("a program that no advisory is about", plan=_running("prometheus", "2.42")),
    ),
    bad=(
        Example("an engine whose key is passed by", plan=examples.changed(engine={"version": "0.21.0"})),
        Example("a version with an advisory and no fix", plan=_running("vllm", "0.19.0")),
        Example("a proxy before its fix", plan=_running("traefik", "3.7.2")),
        Example("a line that was never mended", plan=_running("traefik", "3.5.9")),
        Example("no version", plan=_running("traefik", "latest")),
    ),
    on_plan=on_plan,
)
