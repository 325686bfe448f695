"""The rooms of the IEEE 2030.5 server, which commands DERs."""
