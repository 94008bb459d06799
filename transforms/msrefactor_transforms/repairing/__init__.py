"""Faults of files of several stages and their repairs, one kind a module."""
