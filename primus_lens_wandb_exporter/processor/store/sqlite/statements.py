"""The statements that write to SQLite's tables."""

ADD_BATCH = "INSERT INTO batch VALUES (?, ?) ON CONFLICT DO NOTHING"

NOTE_WORKLOAD = """
INSERT INTO workload VALUES (?, ?, ?, 0) ON CONFLICT (uid) DO UPDATE SET
    first_seen = min(first_seen, excluded.first_seen),
    last_seen = max(last_seen, excluded.last_seen)
"""

NOTE_POD = """
INSERT INTO pod VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (workload, pod_uid, pod_name) DO UPDATE SET
    namespace = CASE excluded.namespace WHEN '' THEN namespace ELSE excluded.namespace END,
    first_seen = min(first_seen, excluded.first_seen),
    last_seen = max(last_seen, excluded.last_seen)
"""

NOTE_RUN = """
INSERT INTO run (id, workload, run_id, started, last_seen, points) VALUES (?, ?, ?, ?, ?, 0)
ON CONFLICT (id) DO UPDATE SET
    started = min(started, excluded.started),
    last_seen = max(last_seen, excluded.last_seen)
"""

DESCRIBE_RUN = """
UPDATE run SET name = :name, project = :project, config = :config, tags = :tags, described = :ts
WHERE id = :run AND (described IS NULL OR described <= :ts)
"""

ADD_ENTRY = """
INSERT INTO log_entry (run, step, ts, source, data, digest) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""

ADD_DETECTION = """
INSERT INTO detection
    (workload, run, source, ts, confidence, framework, verdict, evidence, hints, digest)
VALUES
    (:workload, :run, :source, :ts, :confidence, :framework, :verdict, :evidence, :hints, :digest)
ON CONFLICT DO NOTHING
"""

ADD_POINT = "INSERT INTO point VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"

NOTE_SERIES = """
INSERT INTO series
    (id, run, name, source, tags, first_step, last_step, first_ts, last_ts, count, last_value)
VALUES (
    ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    (SELECT value FROM point WHERE series_id = ? ORDER BY step DESC, ts DESC LIMIT 1)
)
ON CONFLICT (id) DO UPDATE SET
    first_step = min(first_step, excluded.first_step),
    last_step = max(last_step, excluded.last_step),
    first_ts = min(first_ts, excluded.first_ts),
    last_ts = max(last_ts, excluded.last_ts),
    count = count + excluded.count,
    last_value = excluded.last_value
"""

COUNT_IN_RUN = """
UPDATE run SET points = points + :added, last_step = max(ifnull(last_step, :last), :last)
WHERE id = :run
"""

COUNT_IN_WORKLOAD = "UPDATE workload SET points = points + ? WHERE uid = ?"
