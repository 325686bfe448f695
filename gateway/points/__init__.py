"""The point database and the one path for commands."""
