"""Tests of the rules, of what runs them, and of the pack for Pulumi's engine."""
