"""Our side of each master that polls us: the points it sees, its events, its requests."""
