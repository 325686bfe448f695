"""The microgrid controller after IEEE 2030.7: dispatch function and transition function."""
