"""Images are named by digest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies import manifest_examples as examples
from policies.manifests import Manifests
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


def _judge(manifests: Manifests) -> Iterator[Answer]:
    for pod in manifests.pods():
        for container in pod.containers():
            image = str(at(container, "image") or "")
            if not DIGEST.fullmatch(image):
                yield Violated(
                    f"container {at(container, 'name')} names {image or 'no image'}, and no digest",
                    file=pod.owner.place,
                )


RULE = Rule(
    id="kubernetes-pinned-images",
    title="Images are named by their digest",
    family="kubernetes",
    severity="high",
    why=(
        "A tag can be moved to another image, and the next restart runs it without anybody's word. A digest is the "
        "content's own name, and nothing else fits it."
    ),
    remediation=(
        "Write `image: NAME@sha256:...`, as the bundle's manifest has it; `deploy policy check FILE` shows what is not "
        "pinned."
    ),
    controls=("nist SI-7", "nist SR-11", "iso27001 A.8.9", "soc2 CC8.1"),
    references=("https://kubernetes.io/docs/concepts/containers/images/#image-names",),
    good=(
        Example("a digest", manifests=examples.application()),
        Example(
            "a tag beside its digest",
            manifests=examples.containers(image=f"registry.internal/engine:1.0@{examples.DIGEST}"),
        ),
    ),
    bad=(
        Example("the latest", manifests=examples.containers(image="registry.internal/engine:latest")),
        Example("no tag", manifests=examples.containers(image="registry.internal/engine")),
        Example("a version", manifests=examples.containers(image="registry.internal/engine:v1.2.3")),
        Example("half a digest", manifests=examples.containers(image="registry.internal/engine@sha256:0123")),
    ),
    on_manifests=_judge,
)
