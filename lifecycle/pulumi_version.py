"""Pulumi's own executable: whether it is there, and whether it is one that was tried."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from semver import VersionInfo

from planner.errors import DeployError

OLDEST = VersionInfo(3, 259, 0)
"""The version that everything here was tried with. Later ones of the same major version keep its promises."""
INSTALL = "https://www.pulumi.com/docs/iac/download-install/versions/"
PLUGIN = "pulumi-resource-aws"
"""Executable of the plugin that asks AWS."""


def cli_folder(home: Path) -> Path:
    """Return where the CLI is, or would be, that this toolkit installs; it is looked for there before PATH."""
    return home / "cli" / str(OLDEST)


def searched(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return an environment whose PATH begins with the CLI that this toolkit installed."""
    return {**environment, "PATH": f"{cli_folder(home)}:{environment.get('PATH', '')}"}


def find_cli(environment: Mapping[str, str]) -> tuple[str, VersionInfo]:
    """Return the path of the CLI and its version.

    Args:
        environment: whose PATH is searched.

    Raises:
        DeployError: there is none, or none that this toolkit was tried with.

    """
    path = shutil.which("pulumi", path=environment.get("PATH", ""))
    install = f"Install Pulumi {OLDEST} or a later {OLDEST.major}.x from {INSTALL} and put it on PATH."
    if path is None:
        hint = f"`deploy doctor --install` installs Pulumi {OLDEST}; or: {install}"
        raise DeployError("the Pulumi CLI is not on PATH", hint=hint, code="pulumi_missing")
    said = _version_of(path, environment)
    try:
        version = VersionInfo.parse(said.removeprefix("v"))
    except ValueError:
        raise DeployError(
            f"{path} does not say its version, but {said!r}" if said else f"{path} does not say its version",
            hint=install,
            code="pulumi_version",
        ) from None
    if version.major != OLDEST.major or version < OLDEST:
        raise DeployError(
            f"{path} is version {version}; this toolkit needs {OLDEST} or a later {OLDEST.major}.x",
            hint=install,
            code="pulumi_version",
        )
    return path, version


def plugin_version() -> str:
    """Return the version of the plugin pulumi-aws that the locked package of the same name speaks to."""
    return metadata.version("pulumi_aws")


def plugin_path(home: Path) -> Path:
    """Return where that plugin is, or would be, in a folder that PULUMI_HOME names."""
    return home / "plugins" / f"resource-aws-v{plugin_version()}" / PLUGIN


def plugin(home: Path) -> Path:
    """Return the plugin's executable.

    Raises:
        DeployError: it is not installed in that version.

    """
    path = plugin_path(home)
    if not path.is_file():
        raise DeployError(
            f"Pulumi's plugin aws {plugin_version()} is not installed in {home}",
            hint="`deploy doctor` prints how to install it, and `deploy doctor --install` does: nothing is downloaded "
            "without being asked for.",
            code="plugin_missing",
        )
    return path


def _version_of(path: str, environment: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the executable that PATH names, with a fixed word
            [path, "version"],
            env={**environment, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DeployError(
            f"{path} cannot be run: {error}", hint="Reinstall Pulumi, or mend PATH.", code="pulumi_broken"
        ) from error
    return done.stdout.strip()
