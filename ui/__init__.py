"""The ways in: command line (and, later, the web room, HTTP, MCP and the DICOM listener)."""
