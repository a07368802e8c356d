"""Tests of the whole: real Traefik, real gateway, real Prometheus, through the command line."""
