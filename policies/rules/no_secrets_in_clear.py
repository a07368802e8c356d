"""No secret stands in a plan, a resource or a rendered file."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any

from planner.plan import Plan
from planner.resources import UNKNOWN, Resource
from policies import examples
from policies.files import Files
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

SHAPES = {
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a key of an AWS account": re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    "a token": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}"),
    "a token of a model hub": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "a password": re.compile(
        r"(?i)(?:\b|_)(?:password|passwd|client_secret|secret_key|secret_access_key)[\"']?\s*[=:]\s*[\"']?(?![\"']|\$|\{)[^\s\"',]{8,}"
    ),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s:@]{4,}@"),
}
"""What secrets look like, wherever they stand."""
LOADED = re.compile(r"(?m)^LoadCredential(?:Encrypted)?=([a-z][a-z0-9-]*):")
GIVEN = re.compile(r"\b[A-Z][A-Z0-9_]*=([a-z][a-z0-9-]*)(?= )")
"""What a unit tells `with-secrets`: a variable, and the name of the credential that it gets."""
SCRIPTS = {
    "aws:ec2/launchTemplate:LaunchTemplate": "userData",
    "aws:ec2/instance:Instance": "userData",
}
VALUES = {"aws:secretsmanager/secretVersion:SecretVersion": "secretString"}


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge what services are started with."""
    for service in plan.services:
        for place, text in (("args", " ".join(service.args)), *service.env.items()):
            for what in _found(text):
                yield Violated(f"{what} stands in the plan, at `{place}` of {service.name}")


def on_resource(resource: Resource) -> Iterator[Answer]:
    """Judge what a resource carries: scripts, tags, values."""
    if resource.type in VALUES and at(resource.inputs, VALUES[resource.type]) not in (None, UNKNOWN):
        yield Violated(f"a secret's value stands in the state (`{VALUES[resource.type]}`)")
    script = SCRIPTS.get(resource.type)
    for path, text in _texts(resource.inputs):
        for what in _found(_decoded(text) if path == script else text):
            yield Violated(f"{what} stands in `{path}`")


def _on_files(files: Files) -> Iterator[Answer]:
    for path, text in files.texts.items():
        for what in _found(text):
            yield Violated(f"{what} stands in the file", file=path)


def _found(text: str) -> Iterator[str]:
    told = _without_names(text)
    return (what for what, shape in SHAPES.items() if shape.search(told))


def _without_names(text: str) -> str:
    """Return a unit without the names of credentials that it loads itself; anything else may be a value."""
    loaded = frozenset(LOADED.findall(text))
    return GIVEN.sub(lambda given: "" if given[1] in loaded else given[0], text) if loaded else text


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _texts(item, f"{path}[{place}]")


def _decoded(text: str) -> str:
    """Return a script, which launch templates carry in base64."""
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text


_KEY = "-----BEGIN PRIVATE KEY-----"
_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def _script(text: str) -> tuple[Resource, ...]:
    return (examples.resource(_TEMPLATE, "node", userData=base64.b64encode(text.encode()).decode()),)


def _given(word: str, *, loads: str) -> dict[str, str]:
    """Return a Quadlet that gives its program a word, and loads a credential."""
    loaded = {"LoadCredential": f"{loads}:/etc/cloister/credentials/{loads}"}
    return examples.quadlet({"Exec": f"DB_PASSWORD={word} -- run"}, loaded)


RULE = Rule(
    id="no-secrets-in-clear",
    title="No secret stands in a plan, a resource or a rendered file",
    family="data",
    severity="critical",
    why=(
        "Plans are pasted into tickets, states lie in buckets, and every process of a node may read its user data. A "
        "secret in one of them is everybody's, and stays there when it is changed."
    ),
    remediation=(
        "Name the secret, never its value: services get it by `secret_env`, files by a path; see `deploy plan`."
    ),
    controls=("nist IA-5", "iso27001 A.5.17", "soc2 CC6.1", "gdpr Art. 32"),
    references=("https://owasp.org/www-project-top-10-ci-cd-security-risks/",),
    good=(
        Example("a path", files=examples.gateway()),
        Example("a script that fetches it", _script("aws secretsmanager get-secret-value --secret-id x > /run/x")),
        Example("a name", plan=examples.engine_with()),
        Example("the name of a container's password", files=_given("the-database", loads="the-database")),
    ),
    bad=(
        Example("a key in a file", files={"gateway/gateway.toml": f'key = """{_KEY}"""'}),
        Example("a key in a script", _script(f"echo '{_KEY}' > /etc/key")),
        Example("a key of the account in a script", _script("export AWS_ACCESS_KEY_ID=AKIA" + "ABCDEFGHIJKLMNOP")),
        Example("a password on a command line", plan=examples.engine_with("--password=correct-horse-battery")),
        Example("a token of the model hub", plan=examples.engine_with(env={"HF_TOKEN": "hf_" + "a" * 34})),
        Example(
            "a password in an address",
            files={"prometheus/prometheus.yml": "remote: https://user:hunter22@example.test/"},
        ),
        Example("a password of a container", files=_given("hunter22-hunter22", loads="the-database")),
        Example("a password in small letters", files=_given("correct-horse", loads="the-database")),
        Example("a value in the state", (examples.resource(next(iter(VALUES)), "v", secretString="0123456789"),)),
    ),
    on_plan=on_plan,
    on_resource=on_resource,
    on_files=_on_files,
)
