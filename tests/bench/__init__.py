"""Figures: measured and printed by `make bench`, asserted nowhere."""
