"""Jobs of the service, and the store that keeps them."""
