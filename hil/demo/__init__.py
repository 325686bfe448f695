"""The demo: bench and gateway as processes, an operator's side that asks, a table, a report."""
