"""Configuration, composition root, supervision, clock, control cycle."""
