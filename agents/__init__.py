"""The state machine: state, nodes, graph, reconciliation, aggregator, checkpoints, audit."""
