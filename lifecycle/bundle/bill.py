"""A bundle's bill of materials in CycloneDX: every component with version, licence, origin and digests.

The same bundle has the same bill: it holds no time, and its serial number follows from its content.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from lifecycle.bundle.collect.found import Component

SPEC = "1.6"
_NAMESPACE = uuid.UUID("6b0f5cf0-9a1d-5d0e-8c55-3d0b8f0f7c11")
"""Of serial numbers, ours alone."""


def bill_of_materials(components: Iterable[Component], digests: Mapping[str, str], version: str) -> bytes:
    """Return the bill as JSON.

    Args:
        components: of the bundle.
        digests: path -> SHA-256, of every file of every component.
        version: of the toolkit.

    """
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415 - loads slowly, and here alone
    from cyclonedx.model.bom import Bom  # noqa: PLC0415 - as above
    from cyclonedx.model.component import Component as Part  # noqa: PLC0415 - as above
    from cyclonedx.model.component import ComponentType  # noqa: PLC0415 - as above
    from cyclonedx.output import make_outputter  # noqa: PLC0415 - as above
    from cyclonedx.schema import OutputFormat, SchemaVersion  # noqa: PLC0415 - as above
    from packageurl import PackageURL  # noqa: PLC0415 - as above

    types = {"model": ComponentType.MACHINE_LEARNING_MODEL, "program": ComponentType.APPLICATION}
    types |= {"module": ComponentType.APPLICATION, "data": ComponentType.DATA}
    types |= {"image": ComponentType.CONTAINER}

    def file_of(path: str) -> Part:
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digests[path])]
        return Part(type=ComponentType.FILE, name=path, bom_ref=f"file:{path}", hashes=hashes)

    def part_of(one: Component) -> Part:
        single = one.paths[0] if len(one.paths) == 1 else ""
        return Part(
            type=types.get(one.sort, ComponentType.LIBRARY),
            name=one.name,
            version=one.version or None,
            bom_ref=f"{one.sort}:{one.paths[0]}",
            purl=PackageURL.from_string(one.origin) if one.origin else None,
            licenses=_licences(one.licence),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digests[single])] if single else [],
            properties=[Property(name="cloister:path", value=single)] if single else [],
            components=[] if single else [file_of(path) for path in one.paths],
        )

    bom = Bom(components=[part_of(one) for one in components])
    whole = Part(type=ComponentType.APPLICATION, name="cloister-bundle", version=version, bom_ref="bundle")
    bom.metadata.component = whole
    bom.register_dependency(whole, bom.components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    return without_time(json.loads(text))


def _licences(said: str) -> list[Any]:
    """Return a licence as the format has it: an expression or an identifier where it is one, else its name in words."""
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415 - as above

    return [LicenseFactory().make_from_string(said)] if said else []


def without_time(bill: dict[str, Any]) -> bytes:
    """Return a bill as bytes that follow from its content alone: without the time, and with a serial number of it."""
    bill["metadata"].pop("timestamp", None)
    bill.pop("serialNumber", None)
    content = json.dumps(bill, sort_keys=True)
    bill["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, content)}"
    return (json.dumps(bill, sort_keys=True, indent=1) + "\n").encode()
