"""The service in every request's path. It stands alone: it ships to hosts without the toolkit."""
