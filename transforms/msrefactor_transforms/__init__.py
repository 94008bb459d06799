"""The transforms: one module each, found by name, never registered."""
