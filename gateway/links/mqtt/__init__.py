"""MQTT: measurements out, commands in."""
