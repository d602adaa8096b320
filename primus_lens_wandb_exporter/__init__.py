"""Zero-code telemetry for training jobs that use Weights & Biases.

Importing this package does nothing: the hook is armed by `bootstrap.start()`, and everything
else is loaded when `wandb` itself has been imported.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"


def collect_compute_metadata(cfg: "Any" = None) -> "dict[str, Any]":
    """Return what this process was given to compute with, and the model and runtime settings in `cfg`.

    JSON-safe; the fields are those of `evidence.compute.describe_compute`. Nothing is imported or
    initialised on the way, and no configuration makes it raise.

    Args:
        cfg: a Hydra or OmegaConf configuration, any mapping, or an object with attributes.
    """
    from .evidence import Probe
    from .evidence.compute import describe_compute
    from .evidence.gpu import take_inventory

    probe = Probe()
    inventory = take_inventory(probe)
    return describe_compute(probe, cfg, inventory.gpus, inventory.host_count)
