"""Measurements against the alternatives: one module a subject, each with `measure() -> list[Row]`."""
