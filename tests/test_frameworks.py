"""Real trainers log through W&B: all they log arrives under their own steps, and they are recognised."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import pytest

from .support.processor import Processor
from .support.recorded import recorded_points
from .support.scripts import ScriptRunner

_DATA = """
import torch
torch.manual_seed(0)
torch.set_num_threads(1)
inputs = torch.rand(12, 2)
targets = inputs.sum(dim=1, keepdim=True)
"""

_LIGHTNING = """
import PACKAGE as lightning
from PACKAGE.loggers import WandbLogger
from torch.utils.data import DataLoader, TensorDataset

class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch):
        loss = (self.layer(batch[0]) - batch[1]).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch):
        self.log("val/loss", (self.layer(batch[0]) - batch[1]).square().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

data = DataLoader(TensorDataset(inputs, targets), batch_size=4)
lightning.Trainer(
    max_epochs=2, log_every_n_steps=1, num_sanity_val_steps=0, accelerator="cpu",
    logger=WandbLogger(project="p"), enable_checkpointing=False, enable_progress_bar=False,
).fit(Model(), data, data)
"""

_HUGGING_FACE = """
from transformers import Trainer, TrainingArguments

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x, labels):
        predicted = self.layer(x)
        return {"loss": (predicted - labels).square().mean(), "logits": predicted}

data = [{"x": x, "labels": y} for x, y in zip(inputs, targets)]
Trainer(
    model=Model(), train_dataset=data, eval_dataset=data,
    args=TrainingArguments(
        output_dir="out", report_to="wandb", max_steps=6, logging_steps=2, eval_strategy="steps",
        eval_steps=3, per_device_train_batch_size=4, save_strategy="no", use_cpu=True, disable_tqdm=True,
    ),
).train()
"""

_ACCELERATE = """
from accelerate import Accelerator

accelerator = Accelerator(cpu=True, log_with="wandb")
accelerator.init_trackers("p", config={"learning_rate": 0.1})
model = torch.nn.Linear(2, 1)
model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1))
for step in range(0, 50, 10):
    loss = (model(inputs) - targets).square().mean()
    optimizer.zero_grad()
    accelerator.backward(loss)
    optimizer.step()
    norms = {"weight": model.weight.norm().item()}
    accelerator.log({"train/loss": loss.item(), "norms": norms}, step=step)
accelerator.end_training()
"""


def _needs(package: str) -> pytest.MarkDecorator:
    # Looked for, not imported: that takes seconds, and the scripts do it.
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


def _train(source: str, scripts: ScriptRunner, processor: Processor) -> list[tuple[int, str]]:
    """Run a trainer; return the (step, name) that arrived, which are those of W&B's own record."""
    scripts.run(_DATA + source, timeout=110)
    assert sorted(processor.points) == sorted(recorded_points(scripts.folder))
    return sorted((point.step, point.name) for point in processor.points)


def _detected(processor: Processor) -> tuple[list[str], dict[str, Any], str]:
    """Return hinted wrappers, evidence of wrappers, and confidence, of the only detection record."""
    (detection,) = processor.detections
    hints = detection["hints"]
    return hints["wrapper_frameworks"], detection["evidence"]["wrapper_frameworks"], hints["confidence"]


@pytest.mark.parametrize(
    ("package", "distribution"),
    [
        pytest.param("lightning.pytorch", "lightning", marks=_needs("lightning")),
        pytest.param("pytorch_lightning", "pytorch-lightning", marks=_needs("pytorch_lightning")),
    ],
)
def test_all_that_lightning_logs_arrives_under_the_trainers_steps(
    package: str, distribution: str, scripts: ScriptRunner, processor: Processor
) -> None:
    arrived = _train(_LIGHTNING.replace("PACKAGE", package), scripts, processor)

    of_training = ["epoch", "train/loss", "trainer/global_step"]
    of_validation = ["epoch", "trainer/global_step", "val/loss"]
    expected = [(step, name) for step in range(6) for name in of_training]
    expected += [(step, name) for step in (2, 5) for name in of_validation]
    assert arrived == sorted(expected)
    assert _detected(processor) == (
        ["lightning"],
        {"lightning": {"detected": True, "version": version(distribution)}},
        "high",
    )


@_needs("transformers")
@_needs("accelerate")
def test_all_that_the_hugging_face_trainer_logs_arrives_under_its_steps(
    scripts: ScriptRunner, processor: Processor
) -> None:
    arrived = _train(_HUGGING_FACE, scripts, processor)

    head = ["train/epoch", "train/global_step"]
    of_training = [*head, "train/grad_norm", "train/learning_rate", "train/loss"]
    of_evaluation = [
        *head,
        "eval/loss",
        "eval/runtime",
        "eval/samples_per_second",
        "eval/steps_per_second",
    ]
    expected = [(step, name) for step in (2, 4, 6) for name in of_training]
    expected += [(step, name) for step in (3, 6) for name in of_evaluation]
    expected += [(6, name) for name in head]  # the trainer's last word; the rest is in the summary
    assert arrived == sorted(expected)
    assert _detected(processor) == (
        ["transformers_trainer"],
        {"transformers_trainer": {"detected": True, "version": version("transformers")}},
        "high",
    )


@_needs("accelerate")
def test_all_that_accelerates_tracker_logs_arrives_under_the_steps_given(
    scripts: ScriptRunner, processor: Processor
) -> None:
    arrived = _train(_ACCELERATE, scripts, processor)

    assert arrived == [
        (step, name) for step in (0, 10, 20, 30, 40) for name in ("norms.weight", "train/loss")
    ]
    assert _detected(processor) == (
        ["accelerate"],
        {"accelerate": {"detected": True, "version": version("accelerate"), "in_use": True}},
        "high",
    )
