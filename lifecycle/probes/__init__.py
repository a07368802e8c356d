"""What `verify` tries on a running stack, like a stranger and like a client; one file per theme."""
