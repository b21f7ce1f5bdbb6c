"""The project's trainer: one loop for every network, and a task per network."""
