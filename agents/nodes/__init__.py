"""The nodes of the graph, one module per stage; each takes the state and returns an update."""
