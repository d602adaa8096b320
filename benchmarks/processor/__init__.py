"""What the telemetry-processor achieves, measured: `python -m benchmarks.processor`."""
