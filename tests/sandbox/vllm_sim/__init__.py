"""Tests of the imitation of vLLM."""
