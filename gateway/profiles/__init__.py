"""Device profiles: files that say where a device keeps each point."""
