"""What the application's own source needs at run time: one module per language."""
