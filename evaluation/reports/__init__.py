"""Generated reports against reference reports: metrics, and the comparison of report models."""
