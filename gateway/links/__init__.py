"""One folder a protocol, each with the same rooms."""
