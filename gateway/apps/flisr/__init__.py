"""Fault location, isolation and service restoration."""
