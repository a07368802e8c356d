"""Collectors: each fetches one kind of thing, verified, into a cache of this user, and says what it is."""
