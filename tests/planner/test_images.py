"""What runs from an image is named by its content, and where no image can run that is said before anything is made."""

from __future__ import annotations

import msgspec
import pytest

from lifecycle.profiles import load_profile
from planner.catalogue import Catalogue, load_catalogue
from planner.catalogue.rows import ArtefactSource
from planner.errors import PlanError
from planner.images import LEAST_PODMAN, folder_of, image_of, read_image
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan, from_json, to_json
from planner.profile import LoraSection, Profile

DIGEST = "sha256:" + "a1" * 32
IMAGE = f"registry.example/vllm/vllm-openai@{DIGEST}"
CATALOGUE = load_catalogue()
HOST = HostPlan(name="a", address="10.0.0.5", gpus=8)


def profile(image: str, name: str = "2xh200", *, stand_in: bool = False, replicas: int | None = None) -> Profile:
    found = load_profile(name)
    return msgspec.structs.replace(
        found,
        engine=msgspec.structs.replace(found.engine, image=image, stand_in=stand_in),
        hardware=msgspec.structs.replace(found.hardware, replicas=replicas or found.hardware.replicas),
    )


def on_hosts(wanted: Profile) -> Plan:
    return make_plan(wanted, CATALOGUE, Site(stack="s", target="metal", hosts=(HOST,)))


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("registry.example/vllm:latest", "a tag may mean another image tomorrow"),
        ("registry.example/vllm", "a tag may mean another image tomorrow"),
        (f"registry.example/vllm:v1@{DIGEST}", "has a tag beside its digest"),
        ("registry.example/vllm@sha256:abc", "64 hexadecimal digits"),
        (f"registry.example/vllm@sha512:{'a' * 64}", "64 hexadecimal digits"),
        (f"vllm/vllm-openai@{DIGEST}", "names no registry"),
        (f"registry.example/Vllm@{DIGEST}", "a repository that cannot be one"),
        (f"registry.example/../x@{DIGEST}", "a repository that cannot be one"),
        (f"registry.example/vllm@{DIGEST}\nExec=sh", "64 hexadecimal digits"),
        (f"$(id).example/vllm@{DIGEST}", "names no registry"),
    ],
)
@pytest.mark.parametrize("target", ["metal", "sandbox"])
def test_an_image_that_anybody_could_replace_is_refused(reference: str, why: str, target: str) -> None:
    site = Site(stack="s", target="metal", hosts=(HOST,)) if target == "metal" else Site(stack="s", target="sandbox")
    with pytest.raises(PlanError, match=why) as refused:
        make_plan(profile(reference), CATALOGUE, site)
    assert refused.value.code == "image_not_pinned"
    assert "@sha256:DIGEST" in str(refused.value.hint)


@pytest.mark.parametrize(
    "reference", [IMAGE, f"localhost:5000/a/b-c_d@{DIGEST}", f"127.0.0.1:5000/x@{DIGEST}", f"[::1]:5000/x@{DIGEST}"]
)
def test_a_repository_and_its_digest_are_read(reference: str) -> None:
    image = read_image(reference, ("x",), "engine.image")
    assert image.reference == reference
    assert folder_of(image).startswith("images/")


def test_the_engine_is_the_same_but_for_what_it_runs_from() -> None:
    plain, contained = on_hosts(profile("")).service("engine"), on_hosts(profile(IMAGE)).service("engine")
    assert plain.image is None
    assert contained.image is not None
    assert contained.image.command == ("vllm",)
    assert msgspec.structs.replace(contained, image=None) == plain
    assert contained.reads == (f"/opt/cloister/current/weights/{on_hosts(profile('')).model.name}",)


def test_a_container_is_shown_what_its_engine_would_fetch_and_its_adapters() -> None:
    wanted = profile(IMAGE)
    lora = LoraSection(adapters={"law": "/srv/adapters/law"})
    model = msgspec.structs.replace(wanted.model, name="gpt-oss-120b", lora=lora)
    reads = on_hosts(msgspec.structs.replace(wanted, model=model)).service("engine").reads
    in_bundle = "/opt/cloister/current"
    assert reads == (f"{in_bundle}/data/tiktoken", f"{in_bundle}/weights/gpt-oss-120b", "/srv/adapters/law")


def test_each_replica_has_gpus_of_its_own_and_counts_them_from_the_beginning() -> None:
    engines = on_hosts(profile(IMAGE, replicas=2)).engine_services
    assert [(one.first_gpu, one.gpus, one.env["CUDA_VISIBLE_DEVICES"]) for one in engines] == [
        (0, 2, "0,1"),
        (2, 2, "0,1"),
    ]
    plain = on_hosts(profile("", replicas=2)).engine_services
    assert [one.env["CUDA_VISIBLE_DEVICES"] for one in plain] == ["0,1", "2,3"]


def test_an_imitation_in_an_image_is_one_and_says_so() -> None:
    plan = on_hosts(profile(IMAGE, stand_in=True))
    engine = plan.service("engine")
    assert (engine.artefact, engine.image and engine.image.command) == (
        "vllm-sim",
        ("python3", "-P", "-m", "sandbox.vllm_sim"),
    )
    (said,) = [one for one in plan.decisions if one.what == "engine"]
    assert "stand-in" in said.choice
    assert IMAGE in said.choice


def test_where_no_image_runs_that_is_said() -> None:
    plan = make_plan(profile(IMAGE), CATALOGUE, Site(stack="s", target="sandbox"))
    assert not any(service.image for service in plan.services)
    (said,) = [one for one in plan.decisions if one.what == "engine"]
    assert "no image runs here" in said.why
    with pytest.raises(PlanError) as refused:
        make_plan(profile(IMAGE), CATALOGUE, Site(stack="s", target="aws"))
    assert refused.value.code == "image_not_here"


def test_a_plan_with_an_image_comes_back_from_json_as_it_was() -> None:
    plan = on_hosts(profile(IMAGE))
    assert from_json(to_json(plan)) == plan


def test_any_artefact_may_exist_as_an_image_alone() -> None:
    source = ArtefactSource(kind="image", name=IMAGE, command=("prometheus",))
    row = msgspec.structs.replace(CATALOGUE.artefacts["prometheus"], sources=(source,))
    catalogue: Catalogue = msgspec.structs.replace(CATALOGUE, artefacts={**CATALOGUE.artefacts, "prometheus": row})
    image = image_of("prometheus", catalogue)
    assert image is not None
    assert (image.reference, image.command) == (IMAGE, ("prometheus",))
    plan = make_plan(profile(""), catalogue, Site(stack="s", target="metal", hosts=(HOST,)))
    assert plan.service("prometheus").image == image
    assert plan.service("gateway").image is None


@pytest.mark.parametrize("name", ["registry.example/x:1", "x@sha256:abc"])
def test_a_row_of_the_catalogue_has_its_digest_too(name: str) -> None:
    with pytest.raises(ValueError, match="REPOSITORY@sha256:DIGEST"):
        ArtefactSource(kind="image", name=name, command=("x",))
    with pytest.raises(ValueError, match="has a command"):
        ArtefactSource(kind="image", name=IMAGE)


def test_which_releases_run_images_is_data() -> None:
    able = {
        name
        for name, row in CATALOGUE.releases.items()
        if tuple(int(part) for part in row.podman.split(".")) >= LEAST_PODMAN
    }
    assert able == {"trixie", "noble"}
