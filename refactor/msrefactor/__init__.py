"""msrefactor: rewrites Dockerfiles into multi-stage ones and proves that the result runs as before."""

__version__ = "0.1.0"
