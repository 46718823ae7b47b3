"""`python -m gdbench`."""

from gdbench.cli.app import main

main()
