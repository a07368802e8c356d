"""Whether to self-host at all: the cost of hosted APIs, of a hybrid and of own capacity over 24 months, and advice."""
