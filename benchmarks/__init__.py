"""What the exporter costs, measured: `python -m benchmarks` prints the budgets with today's figures."""
