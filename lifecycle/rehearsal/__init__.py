"""Rehearsing the life of an AWS stack against an emulated account of its own, with whatever goes wrong."""
