"""Proof by a real build: two images, what each is and does, and every way in which they differ."""
