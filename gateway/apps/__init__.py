"""Control logic: pure steps from a frozen image to a decision."""
