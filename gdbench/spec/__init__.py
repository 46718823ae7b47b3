"""The specification of what was asked for: pydantic models, axes, YAML with line numbers."""
