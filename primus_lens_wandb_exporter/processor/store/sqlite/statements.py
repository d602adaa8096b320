"""The statements that write to SQLite's tables."""

ADD_BATCH = "INSERT INTO batch VALUES (?, ?) ON CONFLICT DO NOTHING"

NOTE_WORKLOAD = """
INSERT INTO workload VALUES (?, ?, ?, 0) ON CONFLICT (uid) DO UPDATE SET
    first_seen = min(first_seen, excluded.first_seen),
    last_seen = max(last_seen, excluded.last_seen)
"""

# `max` and `min` of two are NULL where one is.
NOTE_POD_RUN = """
INSERT INTO pod_run VALUES (
    :run, :pod_uid, :pod_name, :workload, :namespace, :first_seen, :last_seen, :last_sent, :last_data,
    :described, :began, :ended, :host, :pid, :rank
)
ON CONFLICT (run, pod_uid, pod_name) DO UPDATE SET
    namespace = CASE excluded.namespace WHEN '' THEN namespace ELSE excluded.namespace END,
    first_seen = min(first_seen, excluded.first_seen),
    last_seen = max(last_seen, excluded.last_seen),
    last_sent = CASE WHEN excluded.last_seen >= last_seen THEN excluded.last_sent ELSE last_sent END,
    last_data = coalesce(max(last_data, excluded.last_data), last_data, excluded.last_data),
    described = coalesce(min(described, excluded.described), described, excluded.described),
    began = coalesce(max(began, excluded.began), began, excluded.began),
    ended = coalesce(max(ended, excluded.ended), ended, excluded.ended),
    host = CASE WHEN :told >= max(ifnull(began, 0), ifnull(ended, 0)) THEN excluded.host ELSE host END,
    pid = CASE WHEN :told >= max(ifnull(began, 0), ifnull(ended, 0)) THEN excluded.pid ELSE pid END,
    rank = coalesce(excluded.rank, rank)
"""

NOTE_RUN = """
INSERT INTO run (id, workload, run_id, started, last_seen, points) VALUES (?, ?, ?, ?, ?, 0)
ON CONFLICT (id) DO UPDATE SET
    started = min(started, excluded.started),
    last_seen = max(last_seen, excluded.last_seen)
"""

DESCRIBE_RUN = """
UPDATE run SET
    name = :name, project = :project, config = :config, tags = :tags,
    framework = :framework, gpu_name = :gpu_name, gpu_count = :gpu_count, described = :ts
WHERE id = :run AND (described IS NULL OR described <= :ts)
"""

BEGIN_RUN = """
UPDATE run SET
    announced = :timestamp, host = :host,
    outcome = CASE WHEN ended >= :timestamp THEN outcome ELSE '' END,
    exit_code = CASE WHEN ended >= :timestamp THEN exit_code END,
    cause = CASE WHEN ended >= :timestamp THEN cause ELSE '' END,
    ended = CASE WHEN ended >= :timestamp THEN ended END
WHERE id = :run AND (announced IS NULL OR announced <= :timestamp)
"""

END_RUN = """
UPDATE run SET
    ended = :timestamp, outcome = :kind, exit_code = :exit_code, cause = :cause,
    host = CASE WHEN announced IS NULL THEN :host ELSE host END
WHERE id = :run AND ifnull(announced, 0) <= :timestamp AND ifnull(ended, 0) <= :timestamp
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

ADD_CHANGE = "INSERT INTO change (at, run, first_step, last_step) VALUES (?, ?, ?, ?)"

COUNT_IN_WORKLOAD = "UPDATE workload SET points = points + ? WHERE uid = ?"
