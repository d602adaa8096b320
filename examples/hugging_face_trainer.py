"""Train a tiny GPT-2, built from a config, with the Hugging Face Trainer reporting to W&B."""

import os

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

os.environ.setdefault("WANDB_PROJECT", "examples")


class Counting(torch.utils.data.Dataset):
    """Sequences that count upwards, modulo the size of the vocabulary."""

    def __init__(self, size: int, vocabulary: int) -> None:
        self.sequences = (torch.arange(size)[:, None] + torch.arange(16)) % vocabulary

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, index: int) -> dict:
        return {"input_ids": self.sequences[index], "labels": self.sequences[index]}


config = GPT2Config(
    vocab_size=32, n_positions=16, n_embd=32, n_layer=1, n_head=2, bos_token_id=None, eos_token_id=None
)
trainer = Trainer(
    model=GPT2LMHeadModel(config),
    args=TrainingArguments(
        output_dir="wandb/trainer",
        run_name="hugging-face-trainer",
        report_to="wandb",
        max_steps=12,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=6,
        per_device_train_batch_size=16,
        learning_rate=1e-2,
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    ),
    train_dataset=Counting(256, config.vocab_size),
    eval_dataset=Counting(32, config.vocab_size),
)
trainer.train()
