"""What nodes install and serve is named by its content."""

from __future__ import annotations

import re
from collections.abc import Iterator

from planner.plan import Image, Plan
from policies import examples
from policies.engine import command_lines, option
from policies.rule import Answer, Example, Rule, Violated

DIGEST = re.compile(r"[0-9a-f]{64}")
IMAGE_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")
IMAGES = "/aws/service/"
"""Public parameters of AWS's own, which name its own machine images."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge the bundle, the model's revision, the images of containers and those of machines."""
    if plan.bundle.id and not DIGEST.fullmatch(plan.bundle.id):
        yield Violated(f"the bundle is named {plan.bundle.id}, and not by the digest of its content")
    for where, words in command_lines(plan):
        for name in ("--revision", "--tokenizer-revision", "--code-revision"):
            revision = option(words, name)
            if revision is not None and not COMMIT.fullmatch(revision):
                yield Violated(
                    f"{where} serves the revision {revision or '(none)'}, which its owner can move (`{name}`)"
                )
    yield from _images(plan)
    for node in plan.nodes:
        if not node.ami_parameter.startswith(IMAGES):
            yield Violated(f"{node.name} starts from the image of {node.ami_parameter or '(nobody)'}")


def _images(plan: Plan) -> Iterator[Answer]:
    for service in plan.services:
        if service.image and not IMAGE_DIGEST.fullmatch(service.image.digest):
            yield Violated(f"{service.name} runs from {service.image.reference}, which no digest names")


def _with_image(digest: str) -> Plan:
    image = Image(repository="registry.example/vllm", digest=digest, command=("vllm",))
    return examples.changed(services=(examples.service("engine", image=image),))


RULE = Rule(
    id="pinned-content",
    title="Bundles, revisions and images are named so that nobody can exchange them",
    family="supply-chain",
    severity="high",
    why=(
        "A branch of a model's repository holds other weights tomorrow, and nobody who asks the model can tell. A "
        "machine image of a stranger's holds whatever the stranger put there."
    ),
    remediation=(
        "Give `model.revision` a commit, and `bundle.id` the digest that `deploy bundle push ./bundle --profile "
        "2xh200` prints."
    ),
    controls=("nist SR-4", "nist SI-7", "iso27001 A.5.21", "soc2 CC8.1", "owasp-llm LLM03", "owasp-llm LLM04"),
    references=("https://genai.owasp.org/llmrisk/llm032025-supply-chain/",),
    good=(
        Example("a digest", plan=examples.changed(bundle={"id": "a" * 64})),
        Example("a container's image by its digest", plan=_with_image(f"sha256:{'c' * 64}")),
        Example("a commit", plan=examples.engine_with("--revision", "b" * 40)),
    ),
    bad=(
        Example("a bundle by a name", plan=examples.changed(bundle={"id": "latest"})),
        Example("a branch", plan=examples.engine_with("--revision", "main")),
        Example("a tokenizer's branch", plan=examples.engine_with("--tokenizer-revision=main")),
        Example("a container's image by its tag", plan=_with_image("latest")),
        Example("a stranger's image", plan=examples.with_node(ami_parameter="/stranger/image")),
    ),
    on_plan=on_plan,
)
