"""Tests of the verbs and their side effects."""
