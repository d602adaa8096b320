-- What is stored, and where it hangs: workload - run - series - point. Times are Unix seconds.

CREATE TABLE batch (
    key TEXT PRIMARY KEY,
    received REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE workload (
    uid TEXT PRIMARY KEY,
    first_seen REAL NOT NULL,
    last_seen REAL NOT NULL,
    points INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE pod (
    workload TEXT NOT NULL,
    pod_uid TEXT NOT NULL,
    pod_name TEXT NOT NULL,
    namespace TEXT NOT NULL,
    first_seen REAL NOT NULL,
    last_seen REAL NOT NULL,
    PRIMARY KEY (workload, pod_uid, pod_name)
) WITHOUT ROWID;

-- The run without a name (run_id '') holds what belongs to the workload alone.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    workload TEXT NOT NULL,
    run_id TEXT NOT NULL,
    started REAL NOT NULL,
    last_seen REAL NOT NULL,
    points INTEGER NOT NULL,
    last_step INTEGER,
    name TEXT NOT NULL DEFAULT '',
    project TEXT NOT NULL DEFAULT '',
    config TEXT NOT NULL DEFAULT '{}',
    tags TEXT NOT NULL DEFAULT '[]',
    described REAL, -- the time of the record that name, project, config and tags are from
    UNIQUE (workload, run_id)
);

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    tags TEXT NOT NULL, -- a JSON object
    first_step INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    first_ts REAL NOT NULL,
    last_ts REAL NOT NULL,
    last_value REAL NOT NULL,
    count INTEGER NOT NULL
);
CREATE INDEX series_of_run ON series (run, name);

CREATE TABLE point (
    series_id INTEGER NOT NULL,
    step INTEGER NOT NULL,
    ts REAL NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (series_id, step, ts)
) WITHOUT ROWID;

CREATE TABLE log_entry (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    step INTEGER NOT NULL,
    ts REAL NOT NULL,
    source TEXT NOT NULL,
    data TEXT NOT NULL, -- JSON
    digest INTEGER NOT NULL -- of data
);
CREATE UNIQUE INDEX log_entry_once ON log_entry (run, step, ts, digest);

CREATE TABLE detection (
    id INTEGER PRIMARY KEY,
    workload TEXT NOT NULL,
    run INTEGER NOT NULL,
    source TEXT NOT NULL,
    ts REAL NOT NULL,
    confidence REAL NOT NULL,
    framework TEXT NOT NULL,
    verdict TEXT NOT NULL, -- JSON, as are evidence and hints
    evidence TEXT NOT NULL,
    hints TEXT NOT NULL,
    digest INTEGER NOT NULL -- of evidence and hints
);
CREATE UNIQUE INDEX detection_once ON detection (run, ts, digest);
CREATE INDEX detection_by_trust ON detection (workload, confidence, ts, framework);
