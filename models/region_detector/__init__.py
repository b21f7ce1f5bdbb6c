"""Region detector: boxes of anatomical regions, learnt from Chest ImaGenome."""
