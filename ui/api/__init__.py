"""The room over HTTP: REST with OpenAPI, and an OpenAI-compatible chat endpoint."""
