"""Modbus TCP and RTU, both ways. Poller and client southbound, server northbound."""
