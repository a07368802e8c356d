"""Images that services run from: named by their content, and started by our own command."""

from __future__ import annotations

import re

from planner.catalogue import Catalogue
from planner.errors import PlanError
from planner.plan import Image, Target
from planner.profile import Profile

LEAST_PODMAN = (4, 6)
"""Podman has Quadlets since 4.4, and since 4.6 their `Pull=`, without which it might ask a registry."""
PODMAN_PACKAGES = ("aardvark-dns", "catatonit", "crun", "netavark", "podman")
"""What a host needs to run images; of Debian and Ubuntu alike."""
IMAGES = "images"
"""Folder of a bundle with one folder per image."""
UNPACKED = 3.0
"""Bytes that an image takes unpacked, per byte of its blobs, whose sizes alone are known before. vLLM's own comes to
2.4: about 12 GB in the registry (vllm-project/vllm, issue 27154), 28.6 GB unpacked (pull request 22377). Rounded up."""

_REGISTRY = r"(?:[a-z0-9-]+(?:\.[a-z0-9-]+)+|localhost|\[[0-9a-f:]+\])(?::[0-9]{1,5})?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(rf"(?P<repository>{_REGISTRY}(?:/{_PART})+)@(?P<digest>sha256:[0-9a-f]{{64}})")
"""A repository with its registry, and a digest (Open Container Initiative, distribution specification)."""


def read_image(reference: str, command: tuple[str, ...], where: str) -> Image:
    """Return the image that a reference names.

    Args:
        reference: as somebody wrote it.
        command: what runs in it.
        where: the field, for messages.

    Raises:
        PlanError: it names something that a registry may replace, or no registry.

    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise PlanError(
            f"`{where}`: {reference!r} {_fault(reference)}",
            hint="Write REGISTRY/REPOSITORY@sha256:DIGEST, with the digest of the manifest for linux/amd64: "
            "`skopeo inspect --override-arch amd64 docker://REPOSITORY:TAG` names it.",
            code="image_not_pinned",
        )
    return Image(repository=found["repository"], digest=found["digest"], command=command)


def _fault(reference: str) -> str:
    name, _, digest = reference.partition("@")
    if not digest:
        return "has no digest, and a tag may mean another image tomorrow"
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        return "has a digest that is not sha256: and 64 hexadecimal digits"
    if ":" in name.rpartition("/")[2]:
        return "has a tag beside its digest, which means nothing"
    return "names no registry, or a repository that cannot be one"


def command_in_image(artefact: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the beginning of the command that runs an artefact in an image, where it is found by its name.

    Raises:
        KeyError: the catalogue has no such program.

    """
    if artefact in catalogue.engines:
        return (artefact,)
    source = catalogue.artefacts[artefact].sources[0]
    if source.kind == "module":
        return ("python3", "-P", "-m", source.name)
    return source.command or (source.name,)


def image_of(artefact: str, catalogue: Catalogue) -> Image | None:
    """Return the image that an artefact of the catalogue exists as; None for any other program."""
    row = catalogue.artefacts.get(artefact)
    if row is None or not row.sources or row.sources[0].kind != "image":
        return None
    return read_image(row.sources[0].name, command_in_image(artefact, catalogue), f"artefacts.{artefact}")


def folder_of(image: Image) -> str:
    """Return where an image lies in a bundle: its name says its content."""
    name = image.repository.rpartition("/")[2]
    return f"{IMAGES}/{name}-{image.digest.removeprefix('sha256:')[:16]}"


def check_image(profile: Profile, target: Target) -> None:
    """Refuse an image where none can run: not to be found out when hosts are paid for.

    Raises:
        PlanError: it is not pinned, or the nodes are AWS's.

    """
    if not profile.engine.image:
        return
    read_image(profile.engine.image, (), "engine.image")
    if target == "aws":
        raise PlanError(
            "`engine.image`: nodes in AWS run the engine from the bundle's Python environment",
            hint="Leave it out there; hosts of one's own run images (`--target metal`).",
            code="image_not_here",
        )
