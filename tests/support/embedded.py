"""Our telemetry-processor in this process, over a real SQLite file, without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from primus_lens_wandb_exporter.processor.app import make_app
from primus_lens_wandb_exporter.processor.settings import Settings
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore
from primus_lens_wandb_exporter.processor.store.writer import Writer

JSON = {"Content-Type": "application/json"}


class Embedded:
    """The application, its store, and the lines of its access log."""

    def __init__(self, store: SqliteStore, writer: Writer, settings: Settings) -> None:
        self.store = store
        self.lines: list[dict[str, Any]] = []
        app = make_app(settings, writer, store, log=lambda line: self.lines.append(json.loads(line)))
        self.client = TestClient(app)

    def post(self, kind: str, body: Any, **headers: str) -> Any:
        """Post a body, as it is or as JSON, and return the response."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/api/v1/wandb/{kind}", content=content, headers={**JSON, **named})

    def get(self, path: str, **query: Any) -> Any:
        """Return the data of a query's answer."""
        response = self.client.get(f"/api/v1{path}", params=query)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def points(self, workload: str = "w") -> list[tuple[str, int, float]]:
        """Return name, step and value of all points of a workload."""
        found = self.store.points(workload)
        return [(row["metric_name"], row["iteration"], row["value"]) for row in found]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever stored."""
        return not self.store.sizes()["workloads"]

    def counted(self, sample: str) -> float:
        """Return one sample of `/metrics`, 0 if there is none."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.rpartition(" ")[0] == sample)


@contextmanager
def embedded(folder: Path, settings: Settings | None = None) -> Iterator[Embedded]:
    """Run a processor as long as it lasts."""
    settings = settings or Settings()
    store = SqliteStore(folder / "processor.db")
    writer = Writer(store, settings.queue)
    try:
        yield Embedded(store, writer, settings)
    finally:
        writer.close(10)
        store.close()
