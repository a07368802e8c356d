"""What a stack runs, and by which digests it is known; and the same as a bill of materials."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lifecycle.bundle.bill import without_time
from lifecycle.bundle.collect.wheels import LOCKS
from lifecycle.evidence.bundle import BundleFolder
from lifecycle.evidence.records import Artefact
from planner.bundle import bundle_id
from planner.catalogue import ArtefactSource, Catalogue
from planner.contents import contents_of
from planner.plan import Image, Plan

ROOT = Path(__file__).resolve().parents[2]
ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Pinned = dict[tuple[str, str], tuple[str, ...]]
"""(package, version) -> SHA-256 of every file that is accepted of it."""


def artefacts_of(plan: Plan, catalogue: Catalogue, bundle: BundleFolder | None = None) -> tuple[Artefact, ...]:
    """Return what a plan's services are made of, the model, the machine images and the bundle.

    Args:
        plan: of the stack.
        catalogue: says where programs come from.
        bundle: that hosts install from, which knows the weights' digests; None where nobody has it.

    """
    return (*_programs(plan, catalogue), *_model(plan, bundle), *_images(plan), *_bundle(plan, bundle))


def pinned_wheels(plan: Plan, catalogue: Catalogue) -> Pinned:
    """Return every Python package that hosts get, as the lock files have it."""
    found: Pinned = {}
    for name in contents_of(plan, catalogue).environments:
        found |= _locked(name)
    return found


def bill_of_plan(artefacts: tuple[Artefact, ...], wheels: Pinned, version: str) -> bytes:
    """Return a bill of materials in CycloneDX: it holds no time, so that the same plan has the same bill.

    Args:
        artefacts: of the plan.
        wheels: beside them, each with what it must hash to.
        version: of the toolkit.

    """
    from cyclonedx.model import Property  # noqa: PLC0415 - loads slowly, and here alone
    from cyclonedx.model.bom import Bom  # noqa: PLC0415 - as above
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - as above
    from cyclonedx.output import make_outputter  # noqa: PLC0415 - as above
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415 - as above
    from packageurl import PackageURL  # noqa: PLC0415 - as above

    types = {"model": ComponentType.MACHINE_LEARNING_MODEL, "machine image": ComponentType.OPERATING_SYSTEM}

    def accepted(digests: tuple[str, ...]) -> list[Property]:
        return [Property(name=f"cloister:sha256:{at}", value=digest) for at, digest in enumerate(digests)]

    parts = []
    for one in artefacts:
        properties = [Property(name="cloister:held-by", value=one.held_by), *accepted(one.sha256)]
        kind = types.get(one.kind, ComponentType.APPLICATION)
        parts.append(
            Component(
                type=kind, name=one.name, version=one.version, bom_ref=f"{one.kind}:{one.name}", properties=properties
            )
        )
    for (name, wheel_version), digests in wheels.items():
        purl = PackageURL(type="pypi", name=name, version=wheel_version)
        parts.append(
            Component(
                type=ComponentType.LIBRARY,
                name=name,
                version=wheel_version,
                bom_ref=str(purl),
                purl=purl,
                properties=accepted(digests),
            )
        )
    bom = Bom(components=parts)
    whole = Component(type=ComponentType.APPLICATION, name="cloister-stack", version=version, bom_ref="stack")
    bom.metadata.component = whole
    bom.register_dependency(whole, bom.components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    return without_time(json.loads(text))


def _programs(plan: Plan, catalogue: Catalogue) -> Iterator[Artefact]:
    by_artefact: dict[str, list[str]] = {}
    for service in (*plan.services, *plan.followers):
        by_artefact.setdefault(service.artefact, []).append(service.name)
    images = {service.artefact: service.image for service in plan.services if service.image}
    for name, services in by_artefact.items():
        if image := images.get(name):
            yield _image(image, name, services, catalogue)
            continue
        if name in catalogue.engines:
            engine = catalogue.engines[name]
            digests = _locked("engine").get((engine.name, engine.version), ())
            yield Artefact(
                name=engine.name,
                kind="program",
                version=engine.version,
                licence="Apache-2.0",
                source=f"wheel {engine.name}",
                sha256=digests,
                held_by=f"pip's hash check against {LOCKS['engine']}",
                services=tuple(services),
            )
            continue
        row = catalogue.artefacts[name]
        source = row.sources[-1]
        digests, held_by = _digests(source, row.version)
        yield Artefact(
            name=name,
            kind="module" if source.kind == "module" else "program",
            version=row.version,
            licence=row.licence,
            source=f"{source.kind} {source.name}",
            sha256=digests,
            held_by=held_by,
            services=tuple(services),
        )


def _image(image: Image, name: str, services: Sequence[str], catalogue: Catalogue) -> Artefact:
    row = catalogue.artefacts.get(name)
    return Artefact(
        name=name,
        kind="program",
        version=row.version if row else catalogue.engines[name].version,
        licence=row.licence if row else "",
        source=f"image {image.repository}",
        sha256=(image.digest.removeprefix("sha256:"),),
        held_by="the image's own digest, by which it is named",
        services=tuple(services),
    )


def _digests(source: ArtefactSource, version: str) -> tuple[tuple[str, ...], str]:
    match source.kind:
        case "wheel":
            return _locked("gateway").get((source.name, version), ()), f"pip's hash check against {LOCKS['gateway']}"
        case "module":
            return (digest_of_folder(_module(source.name)),), "the toolkit's own source, by this digest"
        case "debian":
            return (), "the signature of the distribution's archive; a bundle's manifest holds the digest"
        case "image":
            return (source.name.rpartition(":")[2],), "the image's own digest, by which it is named"
        case "path":
            return (), "whoever administers this machine"


def _module(name: str) -> Path:
    path = ROOT.joinpath(*name.split("."))
    return path if path.is_dir() else path.with_suffix(".py")


def digest_of_folder(path: Path) -> str:
    """Return one SHA-256 for a file or a folder of sources: over each file's path and digest, in order of paths."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if _is_source(one))
    lines = (f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.relative_to(path.parent)}\n" for one in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _is_source(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _model(plan: Plan, bundle: BundleFolder | None) -> Iterator[Artefact]:
    if plan.upstream is None:
        weights = (one.sha256 for one in bundle.manifest.files if one.kind == "weights") if bundle else ()
        yield Artefact(
            name=plan.model.name,
            kind="model",
            version=plan.model.quantization,
            licence=plan.model.licence,
            source=plan.model.source,
            sha256=tuple(weights),
            held_by="the manifest of the bundle, whose id is its digest",
            services=plan.engine.service_names,
        )


def _images(plan: Plan) -> Iterator[Artefact]:
    for parameter in sorted({node.ami_parameter for node in plan.nodes}):
        yield Artefact(
            name=parameter,
            kind="machine image",
            version="",
            licence="",
            source=f"public parameter of AWS, {plan.network.region}",
            sha256=(),
            held_by="AWS; the parameter is read when nodes are made",
            services=tuple(node.name for node in plan.nodes if node.ami_parameter == parameter),
        )


def _bundle(plan: Plan, bundle: BundleFolder | None) -> Iterator[Artefact]:
    if name := bundle_id(bundle.raw) if bundle else plan.bundle.id:
        yield Artefact(
            name="bundle",
            kind="bundle",
            version="",
            licence="",
            source="the profile" if plan.bundle.id else "the folder that was named",
            sha256=(name,),
            held_by="every host, which compares the manifest with this id, and every file with the manifest",
            services=(),
        )


def _locked(environment: str) -> Pinned:
    found = {}
    text = (ROOT / LOCKS[environment]).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if entry := ENTRY.match(line):
            found[entry[1], entry[2]] = tuple(sorted(HASH.findall(line)))
    return found
