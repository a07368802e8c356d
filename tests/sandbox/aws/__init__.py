"""Tests of the emulated account."""
