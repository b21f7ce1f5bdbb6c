"""The language model server: its environment, its plan, starting and stopping it, its health."""
