"""What a question may ask for; what cannot be understood is refused by its parameter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from starlette.requests import Request

from ..refusal import Refusal

MILLISECOND = 1000  # microseconds
LARGEST_PAGE = 1000
MOST_DIGITS = 15  # of a place on an axis
LONGEST_SEARCH = 256  # characters
FLAGS = {"": False, "0": False, "1": True, "false": False, "true": True}


def read_text(request: Request, name: str) -> str:
    """Return a text as it would be kept: without NUL."""
    return tidy(request.query_params.get(name, ""))


def read_texts(request: Request, name: str) -> list[str]:
    """Return the texts of a parameter that may be repeated, each once."""
    return list(dict.fromkeys(tidy(text) for text in request.query_params.getlist(name) if text))


def read_workload(request: Request) -> str:
    """Return the workload in the path."""
    return tidy(str(request.path_params["uid"]))


def tidy(text: str) -> str:
    """Return a text in which U+FFFD stands for NUL, as in all that is kept."""
    return text.replace("\0", "\ufffd")


def read_whole(request: Request, name: str, default: int, largest: int, least: int = 0) -> int:
    """Return a whole number from `least` to `largest`."""
    text = request.query_params.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"[0-9]{1,19}", text) or not least <= int(text) <= largest:
        refuse(f"{name}: expected a whole number between {least} and {largest}")
    return int(text)


def read_moment(request: Request, name: str, after: int) -> int | None:
    """Return a time in microseconds, so many after its millisecond began."""
    text = request.query_params.get(name, "").strip()
    if not text:
        return None
    if not re.fullmatch(rf"-?[0-9]{{1,{MOST_DIGITS}}}", text):
        refuse(f"{name}: expected Unix milliseconds")
    return int(text) * MILLISECOND + after


def read_flag(request: Request, name: str) -> bool:
    """Return whether something is asked for."""
    text = request.query_params.get(name, "").strip()
    if text not in FLAGS:
        refuse(f"{name}: expected {', '.join(filter(None, FLAGS))}")
    return FLAGS[text]


def read_search(request: Request) -> str:
    """Return the part of a name that is looked for."""
    search = read_text(request, "search")
    if len(search) > LONGEST_SEARCH:
        refuse(f"search: expected at most {LONGEST_SEARCH} characters")
    return search


def read_page(request: Request) -> tuple[int, int]:
    """Return `limit` and `offset`."""
    limit = read_whole(request, "limit", 100, LARGEST_PAGE)
    return limit, read_whole(request, "offset", 0, 2**63 - 1)


def read_choices(request: Request, name: str, allowed: Sequence[str]) -> list[str]:
    """Return the chosen ones of a list with commas."""
    chosen = [part.strip() for part in request.query_params.get(name, "").split(",") if part.strip()]
    if not set(chosen) <= set(allowed):
        refuse(f"{name}: expected of {', '.join(allowed)}")
    return chosen


def read_key(text: str) -> int | None:
    """Return the number of the run with that key; None: it is none."""
    return int(text, 16) if re.fullmatch(r"[0-7][0-9a-f]{15}", text) else None


def read_keys(request: Request, most: int) -> list[int]:
    """Return the numbers of the runs in `runs`, each once and in order."""
    texts = [part.strip() for part in request.query_params.get("runs", "").split(",") if part.strip()]
    found = dict.fromkeys(read_key(text) for text in texts)
    if None in found:
        refuse("runs: expected keys of runs, 16 hexadecimal digits each")
    if len(found) > most:
        refuse(f"runs: expected at most {most}")
    return [number for number in found if number is not None]


def refuse(error: str) -> NoReturn:
    """Refuse the question.

    Raises:
        Refusal: 400.
    """
    raise Refusal(400, "invalid", error)
