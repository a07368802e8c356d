"""Traefik loads no code from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from policies import examples
from policies.readers import Traefik, on_traefik, table
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at


def _judge(traefik: Traefik) -> Iterator[Answer]:
    for kind in ("plugins", "localPlugins"):
        for name in table(traefik.static, "experimental", kind):
            yield Violated(f"Traefik loads the plugin {name} (`experimental.{kind}`)")
    for name, middleware in traefik.all_middlewares().items():
        if at(middleware, "plugin") is not None:
            yield Violated(f"the middleware {name} is a plugin")


_PLUGIN = {"moduleName": "example.test/plugin", "version": "v1.0.0"}

RULE = Rule(
    id="no-proxy-plugins",
    title="Traefik loads no plugins",
    family="supply-chain",
    severity="high",
    why=(
        "A plugin is fetched when Traefik starts and sees every request in the clear, tokens and prompts included. No "
        "digest in a bundle covers what it is that day."
    ),
    remediation="Use Traefik's own middlewares, or do it in the gateway; `deploy plan` shows the artefacts of a stack.",
    controls=("nist SR-11", "iso27001 A.5.21", "soc2 CC6.8", "nis2 Art. 21(2)(d)"),
    references=("https://doc.traefik.io/traefik/reference/install-configuration/experimental/plugins/",),
    good=(
        Example("none", files=examples.traefik()),
        Example("an experiment that loads nothing", files=examples.traefik({"experimental": {"fastProxy": {}}})),
    ),
    bad=(
        Example("a plugin", files=examples.traefik({"experimental": {"plugins": {"demo": _PLUGIN}}})),
        Example(
            "a plugin from a folder", files=examples.traefik({"experimental": {"localPlugins": {"demo": _PLUGIN}}})
        ),
        Example("its middleware", files=examples.traefik(routes={"http.middlewares.demo": {"plugin": {"demo": {}}}})),
    ),
    on_files=on_traefik(_judge),
)
