"""The process environment that moto reads when it is imported."""

from __future__ import annotations

import os

ACCOUNT_ID = "123456789012"

_SETTINGS = {
    "MOTO_ACCOUNT_ID": ACCOUNT_ID,
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",  # hundreds of old images: slow to load, and none that is launched here
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "false",
    "MOTO_DISABLE_GLOBAL_CORS": "true",  # no page in a browser may read this account
    "AWS_ACCESS_KEY_ID": "emulated",
    "AWS_SECRET_ACCESS_KEY": "emulated",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_UNWANTED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "MOTO_AMIS_PATH")


def prepare(region: str) -> None:
    """Set what moto and botocore read from the environment. Call it before moto is imported.

    A person's own AWS profile and keys are hidden from this process: it has no use for them.
    """
    for name in _UNWANTED:
        os.environ.pop(name, None)
    os.environ.update(_SETTINGS, AWS_DEFAULT_REGION=region, AWS_REGION=region)
