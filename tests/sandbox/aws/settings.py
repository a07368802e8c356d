"""AWS settings of a person for tests: nothing of whoever runs them, and credentials that open nothing anywhere."""

from __future__ import annotations

import os

import pytest


def lead_aws(monkeypatch: pytest.MonkeyPatch, url: str = "") -> None:
    """Take away the AWS settings of whoever runs the tests, and lead every client to an account, or nowhere."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **({"AWS_ENDPOINT_URL": url} if url else {}),
    }.items():
        monkeypatch.setenv(name, value)
