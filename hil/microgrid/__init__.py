"""A microgrid as a plant: POI breaker with relay, grid-forming battery, diesel set, PV, loads."""
