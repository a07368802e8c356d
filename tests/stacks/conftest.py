"""The emulated account, where a test carries the program out."""

from tests.sandbox.aws.account import account, clients

__all__ = ["account", "clients"]
