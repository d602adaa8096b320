"""What is asked of pods: how many report, and which of them went quiet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import MOST_OPEN, MOST_SILENT
from ..pods import quiet, show_silent
from .opening import Connection

# As `Store.workloads` says; of a row `here`. What is open stands as the index `pod_run_open` has it.
SILENT = """
(here.ended IS NULL OR here.ended < here.began) AND coalesce(here.began, here.described) IS NOT NULL
AND here.last_seen BETWEEN %(since)s AND %(silent)s
AND NOT EXISTS (
    SELECT FROM pod_run AS there
    WHERE there.workload = here.workload AND there.pod_name = here.pod_name
    AND CASE WHEN there.pod_uid = here.pod_uid
        THEN there.last_seen > %(silent)s OR there.first_seen > here.last_seen
        ELSE here.pod_name <> '' AND there.last_seen > here.last_seen
    END
)
"""

COUNTS = f"""
(SELECT count(*) FROM (SELECT DISTINCT pod_name, pod_uid FROM pod_run WHERE workload = uid) AS pods),
(SELECT count(*) FROM (
    SELECT DISTINCT pod_name, pod_uid FROM pod_run AS here WHERE workload = uid AND {SILENT}
) AS silent)
"""

WITH_SILENT = f"uid IN (SELECT workload FROM pod_run AS here WHERE {SILENT})"

PODS = f"""
SELECT * FROM (
    SELECT
        here.workload, pod_uid, pod_name, namespace, here.host, pid, rank,
        coalesce(began, here.described), here.last_seen, last_sent, last_data,
        run.id, run.run_id, run.name,
        dense_rank() OVER (PARTITION BY here.workload ORDER BY pod_name, pod_uid) AS pod,
        row_number() OVER (
            PARTITION BY here.workload, pod_name, pod_uid ORDER BY here.last_seen DESC, run.id
        ) AS place
    FROM pod_run AS here JOIN run ON run.id = here.run
    WHERE here.workload = ANY(%(workloads)s::text[]) AND {SILENT}
) AS silent
WHERE pod <= {MOST_SILENT} AND place <= {MOST_OPEN} ORDER BY workload, pod, place
"""

COUNT = f"""
SELECT count(*) FROM (
    SELECT DISTINCT workload, pod_name, pod_uid FROM pod_run AS here WHERE {SILENT}
) AS silent
"""


def ask_silent_pods(
    connection: Connection, now: int, workloads: Sequence[str], since: int | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Answer `Store.silent_pods`."""
    return show_silent(connection.execute(PODS, {"workloads": list(workloads), **quiet(now, since)}))


def count_silent_pods(connection: Connection, now: int, since: int | None = None) -> int:
    """Answer `Store.count_silent_pods`."""
    (row,) = connection.execute(COUNT, quiet(now, since)).fetchall()
    return int(row[0])
