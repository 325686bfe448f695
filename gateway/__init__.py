"""Tieline: a standards-based SCADA gateway for the substation edge box."""
