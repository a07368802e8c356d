"""Whatever stands in a plan or a path, it stays a value: it never becomes structure of the file it is written into."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from planner.errors import UsageError
from planner.plan import UpstreamPlan
from templates.environment import quoted
from templates.render import render
from templates.supervisor import Program, render_supervisor
from tests.templates.stacks import layout_below, plan_of

pytestmark = pytest.mark.slow

HOSTILE = (
    "a\"b'c\\d",
    'x"\n[auth]\nissuer = "evil',
    "tab\tand\rreturn\x00\x1f\x7f\x85\u2028\ufeff",
    '{{ env "HOME" }}{% raw %}{# no #}',
    "{{{{",
    "\U0001f600 \U0010ffff é ß",
    "#: - & * ! | > % @ `",
    "!!python/object:os.system",
    "\\u0041 ${HOME} $HOME %(here)s",
)
texts = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
PLAN = plan_of("poc")
rendering = settings(max_examples=50)  # the first example of a run loads the templates


@rendering
@given(texts)
def test_quoted_text_reads_back_in_every_language(text: str) -> None:
    assert yaml.safe_load(quoted(text)) == text
    assert tomllib.loads(f"x = {quoted(text)}")["x"] == text
    assert yaml.safe_load(quoted([text, text])) == [text, text]


@rendering
@given(texts)
def test_quoted_text_is_no_template_of_the_program_that_reads_it(text: str) -> None:
    """Traefik runs its dynamic files through Go's templates before it reads them as YAML."""
    assert "{{" not in quoted(text)
    assert "\n" not in quoted(text)
    assert quoted(text).isascii()


@rendering
@given(issuer=texts, audience=texts, ca=texts, url=texts, folder=texts)
@example(*HOSTILE[:5])
def test_gateway_file_holds_what_the_plan_says(issuer: str, audience: str, ca: str, url: str, folder: str) -> None:
    plan = msgspec.structs.replace(
        PLAN,
        identity=msgspec.structs.replace(PLAN.identity, issuer=issuer, audience=audience, issuer_ca=ca),
        upstream=UpstreamPlan(url=url, key_env="KEY"),
    )
    parsed = tomllib.loads(render(plan, layout_below(folder))["gateway/gateway.toml"])
    untouched = tomllib.loads(render(PLAN, layout_below("/stack"))["gateway/gateway.toml"])
    assert parsed["auth"]["issuer"] == issuer
    assert parsed["auth"]["audience"] == audience
    assert parsed["auth"].pop("issuer_ca_file") == ca
    assert parsed["auth"]["jwks_file"] == f"{folder}/identity/jwks.json"
    assert parsed["upstream"].pop("replicas") == {"upstream": url}
    assert untouched["upstream"].pop("replicas") == {"engine": "http://127.0.0.1:8000"}
    assert parsed["upstream"] == {"api_key_file": f"{folder}/secrets/upstream-api-key"}
    assert _shape(parsed) == _shape(untouched)
    assert parsed["routes"] == untouched["routes"]
    assert parsed["limits"] == untouched["limits"]


@rendering
@given(jwks=texts)
def test_key_set_is_a_file_or_an_address(jwks: str) -> None:
    identity = msgspec.structs.replace(PLAN.identity, built_in=False, jwks=jwks)
    text = render(msgspec.structs.replace(PLAN, identity=identity), layout_below("/stack"))["gateway/gateway.toml"]
    assert tomllib.loads(text)["auth"]["jwks_file"] == jwks


@rendering
@given(folder=texts, profile=texts)
@example(*HOSTILE[3:5])
def test_yaml_files_hold_what_the_plan_says(folder: str, profile: str) -> None:
    rendered = render(msgspec.structs.replace(PLAN, profile=profile), layout_below(folder))
    files = {path: yaml.safe_load(text) for path, text in rendered.items() if path.endswith(".yml")}
    plain = {
        path: yaml.safe_load(text)
        for path, text in render(PLAN, layout_below("/stack")).items()
        if path.endswith(".yml")
    }
    served = files["traefik/dynamic/routes.yml"]["tls"]["stores"]["default"]["defaultCertificate"]
    assert served == {"certFile": f"{folder}/tls/leaf.pem", "keyFile": f"{folder}/tls/leaf.key"}
    assert files["traefik/traefik.yml"]["providers"]["file"]["directory"] == f"{folder}/config/traefik/dynamic"
    assert files["prometheus/prometheus.yml"]["global"]["external_labels"] == {"stack": "s", "profile": profile}
    assert {path: _shape(file) for path, file in files.items()} == {path: _shape(file) for path, file in plain.items()}


@pytest.mark.parametrize("character", list("[]?\\"))
def test_rule_files_are_named_and_no_pattern(character: str) -> None:
    """Prometheus reads the names of rule files as patterns: one that matches nothing would silence every alert."""
    text = render(PLAN, layout_below(f"/a{character}b"))["prometheus/prometheus.yml"]
    escaped = character if character == "]" else f"\\{character}"
    assert yaml.safe_load(text)["rule_files"] == [f"/a{escaped}b/config/prometheus/rules/cloister.yml"]


@pytest.mark.parametrize("folder", ["/a\nb", "/a ;b"])
def test_supervisor_file_refuses_what_it_cannot_quote(folder: str) -> None:
    with pytest.raises(UsageError):
        render_supervisor([Program(name="x", argv=("/bin/true",))], layout_below(folder))


@rendering
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
@example("with \"quotes\" and 'others' and %(here)s and $HOME")
def test_supervisor_reads_the_arguments_back(word: str) -> None:
    import shlex

    from supervisor.options import UnhosedConfigParser

    if " ;" in word:
        return
    text = render_supervisor([Program(name="x", argv=("/bin/echo", word))], layout_below("/stack"))
    parser = UnhosedConfigParser()
    parser.expansions = {"here": "ELSEWHERE", "ENV_HOME": "ELSEWHERE"}
    parser.read_string(text)
    assert shlex.split(parser.saneget("program:x", "command")) == ["/bin/echo", word]


def _shape(value: Any) -> Any:
    """Return a value with every text replaced by its type."""
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    return type(value).__name__
