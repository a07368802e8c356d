"""Fixtures: the emulated account."""

from tests.sandbox.aws.account import account, clients

__all__ = ["account", "clients"]
