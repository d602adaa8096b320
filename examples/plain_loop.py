"""Fit a line by stochastic gradient descent, and log every step."""

import random

import wandb

SLOPE, INTERCEPT = 3.0, 2.0

random.seed(0)
run = wandb.init(
    project="examples", name="plain-loop", config={"steps": 300, "learning_rate": 0.05, "batch_size": 16}
)
slope = intercept = 0.0

for _step in range(run.config.steps):
    loss = slope_gradient = intercept_gradient = 0.0
    for _ in range(run.config.batch_size):
        x = random.uniform(-1, 1)
        error = slope * x + intercept - (SLOPE * x + INTERCEPT + random.gauss(0, 0.1))
        loss += error**2 / run.config.batch_size
        slope_gradient += 2 * error * x / run.config.batch_size
        intercept_gradient += 2 * error / run.config.batch_size
    slope -= run.config.learning_rate * slope_gradient
    intercept -= run.config.learning_rate * intercept_gradient
    wandb.log({"train/loss": loss, "line": {"slope": slope, "intercept": intercept}})

wandb.finish()
print(f"y = {slope:.2f} x + {intercept:.2f}")
