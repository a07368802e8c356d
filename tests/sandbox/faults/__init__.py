"""Tests of the faults in front of the emulated account."""
