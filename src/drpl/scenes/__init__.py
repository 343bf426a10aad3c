"""Pictures with known truth: drawn, rendered from photos, degraded."""
