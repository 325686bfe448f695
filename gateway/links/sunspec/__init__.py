"""SunSpec on Modbus: discovery, model decoding, DER controls."""
