"""A specification to runs laid out as axes; nothing is computed here."""
