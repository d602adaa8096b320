"""A fleet of training pods and the processor they report to: `python -m benchmarks.fleet`."""
