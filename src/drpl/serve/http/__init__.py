"""HTTP service: routes, access, uploads, jobs and results."""
