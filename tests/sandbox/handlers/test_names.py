"""Handlers speak the provider's own names."""

from __future__ import annotations

import pytest

from sandbox.handlers.registry import default_registry
from sandbox.handlers.resource import Resource
from tests.sandbox.handlers.provider import provider_names

REGISTRY = default_registry()


@pytest.mark.parametrize("token", sorted(REGISTRY.handlers))
def test_inputs_are_the_providers(token: str) -> None:
    handler = REGISTRY[token]
    assert isinstance(handler, Resource)
    inputs, _ = provider_names(token)
    assert handler.fixed | handler.in_place <= inputs
    assert handler.required | handler.unordered | handler.documents <= handler.fixed | handler.in_place
    assert not handler.fixed & handler.in_place
