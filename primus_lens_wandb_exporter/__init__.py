"""Zero-code telemetry for training jobs that use Weights & Biases.

Importing this package does nothing: the hook is armed by `bootstrap.start()`, and everything
else is loaded when `wandb` itself has been imported.
"""

__version__ = "0.1.0"
