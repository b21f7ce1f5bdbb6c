"""Metrics, protocols and tables that measure the application on real data."""
