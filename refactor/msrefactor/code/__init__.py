"""What the application's own source needs at run time, read and never executed."""
