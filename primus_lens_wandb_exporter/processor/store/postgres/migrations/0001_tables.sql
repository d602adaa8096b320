-- What is stored, and where it hangs: workload - run - series - point.
-- Times are Unix microseconds. Names compare by their bytes, as in SQLite, whatever the database's language.
-- Indexes hold no text that may be long: an index takes no more than 2.7 kB of a row.

CREATE TABLE batch (
    key TEXT COLLATE "C" PRIMARY KEY,
    received BIGINT NOT NULL
);
CREATE INDEX batch_by_age ON batch (received);

CREATE TABLE workload (
    uid TEXT COLLATE "C" PRIMARY KEY,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    points BIGINT NOT NULL
) WITH (fillfactor = 70);

-- The run without a name (run_id '') holds what belongs to the workload alone.
CREATE TABLE run (
    id BIGINT PRIMARY KEY,
    workload TEXT COLLATE "C" NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    started BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    points BIGINT NOT NULL,
    last_step BIGINT,
    -- of its latest detection record
    described BIGINT, -- the time of that record
    name TEXT COLLATE "C" NOT NULL DEFAULT '',
    project TEXT COLLATE "C" NOT NULL DEFAULT '',
    config TEXT NOT NULL DEFAULT '{}',
    tags TEXT NOT NULL DEFAULT '[]',
    framework TEXT COLLATE "C" NOT NULL DEFAULT '',
    gpu_name TEXT COLLATE "C" NOT NULL DEFAULT '',
    gpu_count BIGINT,
    -- of its events
    host TEXT COLLATE "C" NOT NULL DEFAULT '',
    announced BIGINT, -- when it last began
    ended BIGINT,
    outcome TEXT COLLATE "C" NOT NULL DEFAULT '', -- finished, failed; '' while nothing was said
    exit_code BIGINT,
    cause TEXT COLLATE "C" NOT NULL DEFAULT '',
    thinned BIGINT -- when its points were thinned out
) WITH (fillfactor = 70);
CREATE INDEX run_of_workload ON run (workload);
CREATE INDEX run_by_age ON run (last_seen);
CREATE INDEX run_to_thin ON run (last_seen) WHERE thinned IS NULL OR thinned < last_seen;

-- What a pod has told of a run. A pod may have many runs, at once or in turn, and a run many pods.
-- No index holds what changes with each delivery, so that one leaves the indexes alone (HOT).
CREATE TABLE pod_run (
    run BIGINT NOT NULL,
    pod_uid TEXT COLLATE "C" NOT NULL,
    pod_name TEXT COLLATE "C" NOT NULL,
    workload TEXT COLLATE "C" NOT NULL,
    namespace TEXT COLLATE "C" NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    last_sent TEXT COLLATE "C" NOT NULL, -- detection, points, entries, started, finished, failed
    last_data BIGINT, -- when points or entries came last
    described BIGINT, -- the time of its first detection record
    began BIGINT, -- of its last event `started`
    ended BIGINT, -- of its last `finished` or `failed`
    host TEXT COLLATE "C" NOT NULL, -- of its last event
    pid BIGINT,
    rank BIGINT,
    PRIMARY KEY (run, pod_uid, pod_name)
) WITH (fillfactor = 70);
CREATE INDEX pod_run_by_name ON pod_run (workload, pod_name, pod_uid);
CREATE INDEX pod_run_open ON pod_run (workload) WHERE ended IS NULL OR ended < began;

CREATE TABLE series (
    id BIGINT PRIMARY KEY,
    run BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL, -- a JSON object
    first_step BIGINT NOT NULL,
    last_step BIGINT NOT NULL,
    first_ts BIGINT NOT NULL,
    last_ts BIGINT NOT NULL,
    last_value DOUBLE PRECISION NOT NULL,
    last_value_ts BIGINT NOT NULL, -- of several points at the last step the latest speaks
    count BIGINT NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX series_of_run ON series (run);

-- Divided by series and not by time: every question is about some series, and every removal about those
-- of a workload, so that neither would ever spare a stretch of time; senders' clocks may also be
-- anywhere. The parts keep each index small and let several vacuums work side by side.
-- The index holds the value, so that a curve is read from it alone: in the table the points of a
-- hundred curves lie mixed, as they came.
CREATE TABLE point (
    series_id BIGINT NOT NULL,
    step BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL CHECK (value <> 'NaN'),
    PRIMARY KEY (series_id, step, ts) INCLUDE (value)
) PARTITION BY HASH (series_id);

DO $$
BEGIN
    FOR part IN 0..7 LOOP
        EXECUTE format(
            'CREATE TABLE point_%s PARTITION OF point FOR VALUES WITH (MODULUS 8, REMAINDER %s)'
            -- Only what a vacuum has seen is read from the index alone.
            ' WITH (autovacuum_vacuum_insert_scale_factor = 0.05)',
            part, part
        );
    END LOOP;
END
$$;

CREATE TABLE log_entry (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run BIGINT NOT NULL,
    step BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    data TEXT NOT NULL, -- JSON
    digest BIGINT NOT NULL -- of data
);
CREATE UNIQUE INDEX log_entry_once ON log_entry (run, ts, step, digest);

CREATE TABLE detection (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workload TEXT COLLATE "C" NOT NULL,
    run BIGINT NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    ts BIGINT NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    framework TEXT COLLATE "C" NOT NULL,
    verdict TEXT NOT NULL, -- JSON, as are evidence and hints
    evidence TEXT NOT NULL,
    hints TEXT NOT NULL,
    digest BIGINT NOT NULL -- of evidence and hints
);
CREATE UNIQUE INDEX detection_once ON detection (run, ts, digest);
CREATE INDEX detection_by_trust ON detection (workload, confidence, ts);

-- What was stored in which order, for those who follow it: a row for each run that a commit touched.
-- Numbers are given under a lock that lasts until the commit (see `writing.py`), so that they become
-- visible in their order and who has read one has missed none below it.
CREATE TABLE change (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    run BIGINT NOT NULL,
    first_step BIGINT, -- of the new points; NULL: there were none
    last_step BIGINT
);
CREATE INDEX change_by_age ON change (at);
