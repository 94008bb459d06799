"""What no build should be given of its context."""
