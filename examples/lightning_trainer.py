"""Train a small network with PyTorch Lightning and its own W&B logger."""

import lightning
import torch
from lightning.pytorch.loggers import WandbLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Classifier(lightning.LightningModule):
    """Tells points inside a circle from points outside."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))

    def training_step(self, batch: list) -> torch.Tensor:
        """Return the loss of one batch, and log it."""
        points, labels = batch
        loss = nn.functional.cross_entropy(self.network(points), labels)
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: list) -> None:
        """Log the accuracy on one batch; Lightning logs the mean of the epoch."""
        points, labels = batch
        self.log("val/accuracy", (self.network(points).argmax(dim=1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer."""
        return torch.optim.Adam(self.parameters(), lr=0.01)


def circle(size: int) -> TensorDataset:
    """Return random points of a square, labelled by whether they lie in a circle."""
    points = torch.rand(size, 2) * 2 - 1
    return TensorDataset(points, (points.norm(dim=1) < 0.8).long())


lightning.seed_everything(0)
trainer = lightning.Trainer(
    max_epochs=3,
    log_every_n_steps=1,
    accelerator="cpu",
    logger=WandbLogger(project="examples", name="lightning-trainer"),
    enable_checkpointing=False,
    enable_progress_bar=False,
)
trainer.fit(Classifier(), DataLoader(circle(256), batch_size=64), DataLoader(circle(128), batch_size=64))
