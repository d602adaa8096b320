"""A small sweep: one W&B run for each learning rate, one after the other in one process."""

import wandb


def minimize(learning_rate: float) -> None:
    """Walk down x squared, and log the way."""
    with wandb.init(
        project="examples",
        group="several-runs",
        name=f"learning-rate-{learning_rate}",
        config={"learning_rate": learning_rate, "steps": 25},
    ) as run:
        x = 1.0
        for step in range(run.config.steps):
            run.log({"x": x, "loss": x**2}, step=step)
            x -= learning_rate * 2 * x


for learning_rate in (0.01, 0.1, 0.4):
    minimize(learning_rate)
