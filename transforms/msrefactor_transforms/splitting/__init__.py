"""The split as a slice: what is replayed in the final stage, what stays in the builder, what is copied over.

Knows Dockerfiles and distributions, no language: those are in `ecosystems`.
"""
