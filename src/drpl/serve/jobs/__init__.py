"""Jobs of the service and where they are kept."""
