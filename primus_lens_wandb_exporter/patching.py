"""Replace an attribute, remember what was there, and put it back if it is still ours."""

from __future__ import annotations

from typing import Any, Callable

_MARK = "__primus_lens_original__"


class Patches:
    """The replacements made so far, in order."""

    def __init__(self) -> None:
        self._made: list[tuple[object, str, Any]] = []

    def wrap(self, owner: object, name: str, make: Callable[[Any], Any]) -> None:
        """Replace `owner.name` by `make(owner.name)`, unless it is wrapped already.

        The same replacement is used wherever the same original is found under another name, so
        that identity and pickling by reference hold.

        Raises:
            AttributeError: there is no such attribute.
        """
        original = getattr(owner, name)
        if hasattr(original, _MARK):
            return
        for _, _, made in self._made:
            if getattr(made, _MARK) is original:
                replacement = made
                break
        else:
            replacement = make(original)
            setattr(replacement, _MARK, original)
        setattr(owner, name, replacement)
        self._made.append((owner, name, replacement))

    def undo(self) -> None:
        """Put every original back, last first; what someone else has replaced since is left alone."""
        while self._made:
            owner, name, replacement = self._made.pop()
            if getattr(owner, name, None) is replacement:
                setattr(owner, name, getattr(replacement, _MARK))
