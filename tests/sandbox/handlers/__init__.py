"""Tests of the resource handlers."""
