"""The feeder: network model and power-flow engine. Pure: no I/O beyond reading the model files."""
