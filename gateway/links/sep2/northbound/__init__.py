"""The rooms of the 2030.5 client: a utility's server commands us."""
