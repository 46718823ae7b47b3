"""The commands: read what was typed, print what was found."""
