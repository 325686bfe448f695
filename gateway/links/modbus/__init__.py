"""Modbus: TCP hot path of our own, serial through pymodbus, a register server."""
