"""Train a small network with plain PyTorch; loss at every step, accuracy at every epoch."""

import torch
import wandb
from torch import nn

torch.manual_seed(0)
points = torch.rand(512, 2) * 2 - 1
labels = (points.norm(dim=1) < 0.8).long()  # inside or outside a circle

config = {"epochs": 5, "learning_rate": 0.01, "batch_size": 64, "hidden": 32}
with wandb.init(project="examples", name="pytorch-loop", config=config) as run:
    model = nn.Sequential(nn.Linear(2, config["hidden"]), nn.ReLU(), nn.Linear(config["hidden"], 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
    for epoch in range(config["epochs"]):
        for batch in torch.randperm(len(points)).split(config["batch_size"]):
            loss = nn.functional.cross_entropy(model(points[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log({"train/loss": loss, "epoch": epoch})  # a tensor: W&B takes its value
        with torch.no_grad():
            accuracy = (model(points).argmax(dim=1) == labels).float().mean()
        run.log({"train/accuracy": accuracy.item(), "epoch": epoch})
