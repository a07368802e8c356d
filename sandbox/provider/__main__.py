"""Run the provider: the engine calls `pulumi-resource-aws ADDRESS`, which is `python -m sandbox.provider ADDRESS`."""

from __future__ import annotations

import sys
from importlib.metadata import version

from sandbox.aws.isolation import stay_on_this_machine
from sandbox.handlers.invokes import INVOKES
from sandbox.handlers.registry import default_registry
from sandbox.provider.server import serve
from sandbox.provider.servicer import Provider

if __name__ == "__main__":
    stay_on_this_machine()
    # The engine warns of a plugin that is older than the package that the program uses: say that one's version.
    serve(Provider(default_registry(), INVOKES, version("pulumi_aws")), sys.argv[1] if len(sys.argv) > 1 else None)
