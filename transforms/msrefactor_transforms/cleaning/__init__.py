"""Parts of the transforms that keep lists, caches and downloads out of the final image's layers.

`layers` says which stages these are, `editing` how a RUN gets a command more or becomes one with the next,
`lists` and `caches` what commands leave behind.
"""
