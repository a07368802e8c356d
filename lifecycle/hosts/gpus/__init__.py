"""GPUs of a host: reading what its tools print, and judging it. Pure: the roles do the asking."""
