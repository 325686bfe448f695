"""Our side of each outstation we poll: sessions, what they ask, and the wires they run on."""
