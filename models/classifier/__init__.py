"""Finding classifier: fourteen findings, each with a calibrated probability."""
