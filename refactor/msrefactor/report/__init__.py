"""What a run did, as data: results go in, a `Report` comes out; each output format is a function of it."""
