"""Real hosts: Debian under its own systemd, in network namespaces of this machine."""
