"""Questions about a study, answered from its draft's evidence and from nothing else."""
