"""Emulated devices: inverters and PLCs on loopback."""
