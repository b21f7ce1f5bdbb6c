"""Networks, losses, training and the weights manifest; one folder per network."""
