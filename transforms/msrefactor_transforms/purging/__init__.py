"""Build packages that stay in the final image: which they are, who uses them, and how they leave it."""
