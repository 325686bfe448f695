"""The feeder under test: OpenDSS in a process of its own."""
