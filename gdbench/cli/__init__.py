"""The commands: read what was typed, print what was found."""

from gdbench.cli.app import app, call, main

__all__ = ["app", "call", "main"]
