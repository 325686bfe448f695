"""The bench: a feeder plant and emulated devices that answer in real bytes."""
