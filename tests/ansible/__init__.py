"""Tests of the playbooks and roles."""
