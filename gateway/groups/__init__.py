"""DER group functions: typed messages, XML, membership, allocation, service."""
