"""Fixtures: the emulated account."""

from __future__ import annotations

from tests.sandbox.aws.account import account, clients

__all__ = ["account", "clients"]
