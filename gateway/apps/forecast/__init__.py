"""Output forecasting."""
