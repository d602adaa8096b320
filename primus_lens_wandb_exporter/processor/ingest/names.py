"""The frameworks by name, and how people write those names."""

from __future__ import annotations

import re
from typing import Any

WRAPPERS: dict[str, tuple[str, ...]] = {  # other ways to write the name, squeezed
    "primus": (),
    "nemo": (),
    "verl": (),
    "composer": ("mosaicml",),
    "torchtune": (),
    "lightning": ("pytorchlightning", "ptl"),
    "ray_train": (),
    "trl": (),
    "transformers_trainer": ("hftrainer",),
    "accelerate": (),
}
BASES: dict[str, tuple[str, ...]] = {
    "megatron": ("megatronlm", "megatroncore"),
    "deepspeed": (),
    "jax": ("flax",),
    "transformers": ("huggingface",),
    "fsdp": (),
    "pytorch": ("torch",),
    "tensorflow": (),
    "keras": (),
}


def read_name(value: Any) -> str:
    """Return the framework that a value names, as this table writes it; "" where it is no name."""
    if not isinstance(value, str) or not re.fullmatch(r"[\w.+ -]{1,64}", value):
        return ""
    squeezed = _squeeze(value)
    for table in (WRAPPERS, BASES):
        for name, others in table.items():
            if squeezed == _squeeze(name) or squeezed in others:
                return name
    return value.strip().lower()


def find_names(text: str) -> list[str]:
    """Return the known frameworks whose names stand in a text as words, one or two of them together."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", text[:1024])]
    together = {*words, *(first + second for first, second in zip(words, words[1:]))}
    squeezed = _squeeze(text[:1024])
    found = []
    for table in (WRAPPERS, BASES):
        for name, others in table.items():
            spellings = (_squeeze(name), *others)
            # Long ones also inside other words: DeepSpeed's own capitals would divide it.
            if any(word in together or (len(word) > 7 and word in squeezed) for word in spellings):
                found.append(name)
    return found


def _squeeze(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
