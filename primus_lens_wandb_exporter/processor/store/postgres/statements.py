"""The statements that write to PostgreSQL's tables; each takes many rows, as an array a column.

Rows come sorted by what is unique in them, so that of two replicas that meet one only waits.
"""

ADD_BATCHES = """
INSERT INTO batch SELECT * FROM unnest(%s::text[], %s::bigint[]) ON CONFLICT DO NOTHING RETURNING key
"""

ADD_POINTS = """
WITH added AS (
    INSERT INTO point
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::double precision[])
    ON CONFLICT DO NOTHING RETURNING series_id
)
SELECT series_id, count(*) FROM added GROUP BY series_id
"""

NOTE_SERIES = """
INSERT INTO series (
    id, run, name, source, tags,
    first_step, last_step, first_ts, last_ts, last_value, last_value_ts, count
)
SELECT * FROM unnest(
    %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::double precision[], %s::bigint[], %s::bigint[]
)
ON CONFLICT (id) DO UPDATE SET
    first_step = least(series.first_step, excluded.first_step),
    last_step = greatest(series.last_step, excluded.last_step),
    first_ts = least(series.first_ts, excluded.first_ts),
    last_ts = greatest(series.last_ts, excluded.last_ts),
    last_value = CASE
        WHEN (excluded.last_step, excluded.last_value_ts) > (series.last_step, series.last_value_ts)
        THEN excluded.last_value ELSE series.last_value
    END,
    last_value_ts = CASE
        WHEN (excluded.last_step, excluded.last_value_ts) > (series.last_step, series.last_value_ts)
        THEN excluded.last_value_ts ELSE series.last_value_ts
    END,
    count = series.count + excluded.count
"""

NOTE_RUNS = """
INSERT INTO run (id, workload, run_id, started, last_seen, points, last_step)
SELECT * FROM unnest(
    %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[]
)
ON CONFLICT (id) DO UPDATE SET
    started = least(run.started, excluded.started),
    last_seen = greatest(run.last_seen, excluded.last_seen),
    points = run.points + excluded.points,
    last_step = greatest(run.last_step, excluded.last_step)
"""

# `greatest` and `least` pass over NULL.
NOTE_POD_RUNS = """
INSERT INTO pod_run
SELECT * FROM unnest(
    %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[],
    %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[]
)
ON CONFLICT (run, pod_uid, pod_name) DO UPDATE SET
    namespace = coalesce(nullif(excluded.namespace, ''), pod_run.namespace),
    first_seen = least(pod_run.first_seen, excluded.first_seen),
    last_seen = greatest(pod_run.last_seen, excluded.last_seen),
    last_sent = CASE
        WHEN excluded.last_seen >= pod_run.last_seen THEN excluded.last_sent ELSE pod_run.last_sent
    END,
    last_data = greatest(pod_run.last_data, excluded.last_data),
    described = least(pod_run.described, excluded.described),
    began = greatest(pod_run.began, excluded.began),
    ended = greatest(pod_run.ended, excluded.ended),
    host = CASE
        WHEN greatest(excluded.began, excluded.ended) >= greatest(pod_run.began, pod_run.ended, 0)
        THEN excluded.host ELSE pod_run.host
    END,
    pid = CASE
        WHEN greatest(excluded.began, excluded.ended) >= greatest(pod_run.began, pod_run.ended, 0)
        THEN excluded.pid ELSE pod_run.pid
    END,
    rank = coalesce(excluded.rank, pod_run.rank)
"""

NOTE_WORKLOADS = """
INSERT INTO workload SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
ON CONFLICT (uid) DO UPDATE SET
    first_seen = least(workload.first_seen, excluded.first_seen),
    last_seen = greatest(workload.last_seen, excluded.last_seen),
    points = workload.points + excluded.points
"""

DESCRIBE_RUN = """
UPDATE run SET
    name = %(name)s, project = %(project)s, config = %(config)s, tags = %(tags)s,
    framework = %(framework)s, gpu_name = %(gpu_name)s, gpu_count = %(gpu_count)s, described = %(ts)s
WHERE id = %(run)s AND (described IS NULL OR described <= %(ts)s)
"""

BEGIN_RUN = """
UPDATE run SET
    announced = %(timestamp)s, host = %(host)s,
    outcome = CASE WHEN ended >= %(timestamp)s THEN outcome ELSE '' END,
    exit_code = CASE WHEN ended >= %(timestamp)s THEN exit_code END,
    cause = CASE WHEN ended >= %(timestamp)s THEN cause ELSE '' END,
    ended = CASE WHEN ended >= %(timestamp)s THEN ended END
WHERE id = %(run)s AND (announced IS NULL OR announced <= %(timestamp)s)
"""

END_RUN = """
UPDATE run SET
    ended = %(timestamp)s, outcome = %(kind)s, exit_code = %(exit_code)s, cause = %(cause)s,
    host = CASE WHEN announced IS NULL THEN %(host)s ELSE host END
WHERE id = %(run)s AND coalesce(announced, 0) <= %(timestamp)s AND coalesce(ended, 0) <= %(timestamp)s
"""

ADD_ENTRIES = """
INSERT INTO log_entry (run, step, ts, digest, source, data)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[])
ON CONFLICT DO NOTHING
"""

ADD_DETECTIONS = """
INSERT INTO detection
    (run, ts, digest, workload, source, confidence, framework, verdict, evidence, hints)
SELECT * FROM unnest(
    %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::double precision[],
    %s::text[], %s::text[], %s::text[], %s::text[]
)
ON CONFLICT DO NOTHING
"""

NUMBER_CHANGES = "SELECT pg_advisory_xact_lock(%s, %s)"

ADD_CHANGES = """
INSERT INTO change (at, run, first_step, last_step)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
"""
