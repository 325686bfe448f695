"""The words of the domain: points, measurements, commands, DER terms. Imports nothing of ours."""
