"""What the provider's own package says about a type."""

from __future__ import annotations

import importlib
import re
import sys
import warnings

from pulumi._types import input_type_py_to_pulumi_names


def provider_names(token: str) -> tuple[set[str], set[str]]:
    """Return the inputs and the outputs that the provider's package has for a type."""
    parts = re.fullmatch(r"aws:([^/]+)/[^:]+:(.+)", token)
    assert parts is not None
    module, kind = parts.groups()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the provider warns of its own old types when imported
        source = sys.modules[getattr(importlib.import_module(f"pulumi_aws.{module}"), kind).__module__]
    inputs = input_type_py_to_pulumi_names(getattr(source, f"{kind}Args"))
    outputs = input_type_py_to_pulumi_names(getattr(source, f"_{kind}State"))
    return set(inputs.values()), set(outputs.values())
