"""A plan and its outputs become the text of every configuration file."""
