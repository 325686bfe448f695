"""DNP3 (IEEE 1815): field devices and PLCs southbound, the utility's masters northbound."""
