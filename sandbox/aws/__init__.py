"""The emulated AWS account: moto, and in front of it a layer that speaks what moto lacks.

One process, loopback only, state in memory. Run it with `python -m sandbox.aws --port N --region us-east-2`.
"""
