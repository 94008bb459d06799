"""Tables of facts about base images and distribution packages, with their sources."""
