"""What mount-package-cache knows: which caches a RUN fills, where they lie, and who needs them later."""
