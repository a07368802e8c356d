"""What the provider's own package says about a type."""

from __future__ import annotations

import importlib
import re
import sys
import warnings

from pulumi._types import input_type_py_to_pulumi_names


def _class(module: str, name: str) -> type:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the provider warns of its own old types when imported
        package = importlib.import_module("pulumi_aws" if module == "index" else f"pulumi_aws.{module}")
        found: type = getattr(package, name)
        return found


def _parts(token: str) -> tuple[str, str]:
    """Return a token's module and its last part."""
    parts = re.fullmatch(r"aws:([^/]+)/[^:]+:(.+)", token)
    assert parts is not None
    return parts[1], parts[2]


def result_names(token: str) -> set[str]:
    """Return the results that the provider's package has for a data source."""
    module, function = _parts(token)
    getters = {
        name: one.fget
        for name, one in vars(_class(module, f"G{function[1:]}Result")).items()
        if isinstance(one, property)
    }
    return {getattr(getter, "_pulumi_name", name) for name, getter in getters.items()}


def provider_names(token: str) -> tuple[set[str], set[str]]:
    """Return the inputs and the outputs that the provider's package has for a type."""
    module, kind = _parts(token)
    source = sys.modules[_class(module, kind).__module__]
    # Where the plain name is a nested type's, the resource's own arguments are `InitArgs`.
    arguments = getattr(source, f"{kind}InitArgs", None) or getattr(source, f"{kind}Args")
    inputs = input_type_py_to_pulumi_names(arguments)
    outputs = input_type_py_to_pulumi_names(getattr(source, f"_{kind}State"))
    return set(inputs.values()), set(outputs.values())
