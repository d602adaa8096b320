-- What is stored, and where it hangs: workload - run - series - point.
-- Times are Unix microseconds: whole numbers, which every engine and replica compares alike.

CREATE TABLE batch (
    key TEXT PRIMARY KEY,
    received INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX batch_by_age ON batch (received);

CREATE TABLE workload (
    uid TEXT PRIMARY KEY,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    points INTEGER NOT NULL
) WITHOUT ROWID;

-- The run without a name (run_id '') holds what belongs to the workload alone.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    workload TEXT NOT NULL,
    run_id TEXT NOT NULL,
    started INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    points INTEGER NOT NULL,
    last_step INTEGER,
    -- of its latest detection record
    described INTEGER, -- the time of that record
    name TEXT NOT NULL DEFAULT '',
    project TEXT NOT NULL DEFAULT '',
    config TEXT NOT NULL DEFAULT '{}',
    tags TEXT NOT NULL DEFAULT '[]',
    framework TEXT NOT NULL DEFAULT '',
    gpu_name TEXT NOT NULL DEFAULT '',
    gpu_count INTEGER,
    -- of its events
    host TEXT NOT NULL DEFAULT '',
    announced INTEGER, -- when it last began
    ended INTEGER,
    outcome TEXT NOT NULL DEFAULT '', -- finished, failed; '' while nothing was said
    exit_code INTEGER,
    cause TEXT NOT NULL DEFAULT '',
    thinned INTEGER, -- when its points were thinned out
    UNIQUE (workload, run_id)
);
CREATE INDEX run_by_age ON run (last_seen);
CREATE INDEX run_to_thin ON run (last_seen) WHERE thinned IS NULL OR thinned < last_seen;

-- What a pod has told of a run. A pod may have many runs, at once or in turn, and a run many pods.
CREATE TABLE pod_run (
    run INTEGER NOT NULL,
    pod_uid TEXT NOT NULL,
    pod_name TEXT NOT NULL,
    workload TEXT NOT NULL,
    namespace TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    last_sent TEXT NOT NULL, -- detection, points, entries, started, finished, failed
    last_data INTEGER, -- when points or entries came last
    described INTEGER, -- the time of its first detection record
    began INTEGER, -- of its last event `started`
    ended INTEGER, -- of its last `finished` or `failed`
    host TEXT NOT NULL, -- of its last event
    pid INTEGER,
    rank INTEGER,
    PRIMARY KEY (run, pod_uid, pod_name)
) WITHOUT ROWID;
CREATE INDEX pod_run_by_name ON pod_run (workload, pod_name, pod_uid);
-- Holds all by which the silent are told from the many that are well.
CREATE INDEX pod_run_open ON pod_run (workload, last_seen, began, ended, described)
    WHERE ended IS NULL OR ended < began;

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    tags TEXT NOT NULL, -- a JSON object
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    first_ts INTEGER NOT NULL,
    last_ts INTEGER NOT NULL,
    last_value REAL NOT NULL,
    count INTEGER NOT NULL
);
CREATE INDEX series_of_run ON series (run, name);

CREATE TABLE point (
    series_id INTEGER NOT NULL,
    step INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (series_id, step, ts)
) WITHOUT ROWID;

CREATE TABLE log_entry (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    step INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    source TEXT NOT NULL,
    data TEXT NOT NULL, -- JSON
    digest INTEGER NOT NULL -- of data
);
CREATE UNIQUE INDEX log_entry_once ON log_entry (run, ts, step, digest);

CREATE TABLE detection (
    id INTEGER PRIMARY KEY,
    workload TEXT NOT NULL,
    run INTEGER NOT NULL,
    source TEXT NOT NULL,
    ts INTEGER NOT NULL,
    confidence REAL NOT NULL,
    framework TEXT NOT NULL,
    verdict TEXT NOT NULL, -- JSON, as are evidence and hints
    evidence TEXT NOT NULL,
    hints TEXT NOT NULL,
    digest INTEGER NOT NULL -- of evidence and hints
);
CREATE UNIQUE INDEX detection_once ON detection (run, ts, digest);
CREATE INDEX detection_by_trust ON detection (workload, confidence, ts, framework);

-- What was stored in which order, for those who follow it: a row for each run that a commit touched.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    run INTEGER NOT NULL,
    first_step INTEGER, -- of the new points; NULL: there were none
    last_step INTEGER
);
CREATE INDEX change_by_age ON change (at);
