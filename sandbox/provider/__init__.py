"""The handlers as a Pulumi provider plugin: `pulumi-resource-aws` for the real engine, against the emulated account.

The engine starts `python -m sandbox.provider ADDRESS`, reads a port from its output, and speaks gRPC with it (Pulumi's
own `provider.proto`). Which account it is comes from the environment (`AWS_ENDPOINT_URL`, `AWS_REGION`) or from the
provider's configuration, as with any AWS program; without an endpoint it refuses, so that it never stands in for the
provider of a real account.
"""
