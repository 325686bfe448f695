"""IEEE 2030.5: we command DERs as a server, a utility commands us as its client."""
