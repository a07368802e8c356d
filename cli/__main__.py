"""`python -m cli` is `deploy`."""

from cli.main import main

main()
