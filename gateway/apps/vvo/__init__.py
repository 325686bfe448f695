"""Volt-VAR optimisation."""
