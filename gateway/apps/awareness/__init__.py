"""Situational awareness: what the feeder is like now, and what it could still take."""
