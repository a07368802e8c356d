"""Calls to a person's own AWS account: whose it is, what it may run, and what it can buy."""
