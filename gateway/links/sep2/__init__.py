"""IEEE 2030.5: the server that commands DERs, the client that a utility commands."""
