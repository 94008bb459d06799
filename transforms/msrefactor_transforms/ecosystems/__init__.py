"""What each language needs at build time and at run time: one module each, found by name."""
