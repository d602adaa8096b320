"""The telemetry-processor: takes what the exporter sends, keeps it, and answers questions.

A program of its own (`primus-lens-wandb serve`, extra `processor`); nothing here is loaded in a training
process, and it knows nothing of the exporter but the wire.
"""
