"""Tests of the Pulumi program."""
