"""Tables of measured facts about language packages, with their sources."""
