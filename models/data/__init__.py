"""Readers of the shared data layout, and the records that training and evaluation use."""
