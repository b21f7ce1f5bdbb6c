"""Studies and pixels: loading, display pipeline, geometry, input gate, de-identification."""
