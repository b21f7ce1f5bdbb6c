"""Readers of public chest radiograph data sets, all giving one record; splits and their checks.

Start at :func:`models.datasets.registry.open_dataset`.
"""
