-- The spindle: what others wrote that concerns us, the runs, and what we tell of them.

-- Records of accounts, mirrored: a deletion says only which record it was. JSON.
CREATE TABLE records (
    did        TEXT NOT NULL,
    collection TEXT NOT NULL,
    rkey       TEXT NOT NULL,
    rev        TEXT NOT NULL,                -- of the repository's commit; grows, and is '' where a listing gave none
    record     TEXT NOT NULL,
    heard      INTEGER NOT NULL,
    PRIMARY KEY (did, collection, rkey)
) WITHOUT ROWID;

CREATE INDEX records_collection ON records (collection);

-- A pipeline: one run of one commit. `key` is what makes two triggers one; `id` is the TID that peers know it by.
CREATE TABLE pipelines (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    key         TEXT NOT NULL UNIQUE,
    event       INTEGER NOT NULL REFERENCES events (number),
    knot        TEXT NOT NULL,
    repo        TEXT NOT NULL,               -- the repo's DID, or of old ones `owner/name`
    owner       TEXT NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,               -- push, pull_request, manual
    sha         TEXT NOT NULL,
    source_repo TEXT NOT NULL,
    actor       TEXT NOT NULL,
    record      TEXT NOT NULL,               -- JSON: as `sh.tangled.pipeline`
    created     INTEGER NOT NULL             -- nanoseconds, and greater than any before
);

CREATE INDEX pipelines_repo ON pipelines (repo, created);
CREATE INDEX pipelines_sha ON pipelines (repo, sha, created);
CREATE INDEX pipelines_event ON pipelines (event);

-- Other names of a pipeline: a knot of the older generation announced the same run under an rkey of its own.
CREATE TABLE pipeline_names (
    knot     TEXT NOT NULL,
    rkey     TEXT NOT NULL,
    pipeline TEXT NOT NULL REFERENCES pipelines (id),
    PRIMARY KEY (knot, rkey)
) WITHOUT ROWID;

-- What a pipeline's workflows have come to. A workflow without a delivery is one that nobody runs.
CREATE TABLE workflows (
    pipeline  TEXT NOT NULL REFERENCES pipelines (id),
    name      TEXT NOT NULL,
    position  INTEGER NOT NULL,
    status    TEXT NOT NULL,                 -- '' until something is told
    at        INTEGER NOT NULL,              -- of the status
    started   INTEGER,
    finished  INTEGER,
    error     TEXT NOT NULL,
    exit_code INTEGER,
    url       TEXT NOT NULL,
    PRIMARY KEY (pipeline, name)
) WITHOUT ROWID;

-- What `/events` serves, in order; `created` is its cursor, in nanoseconds.
CREATE TABLE announcements (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    created  INTEGER NOT NULL UNIQUE,
    nsid     TEXT NOT NULL,
    rkey     TEXT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    event    TEXT NOT NULL                   -- JSON
);

CREATE INDEX announcements_pipeline ON announcements (pipeline);

-- Of a delivery: the run that it belongs to now, which try of it this is (a rebuild is another), who wants it cancelled.
ALTER TABLE deliveries ADD COLUMN pipeline TEXT;
ALTER TABLE deliveries ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN cancel_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN cancel_why TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN receipt_id TEXT;
ALTER TABLE statuses ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deliveries_pipeline ON deliveries (pipeline, workflow) WHERE pipeline IS NOT NULL;
CREATE INDEX deliveries_receipt ON deliveries (provider, receipt_id) WHERE receipt_id IS NOT NULL;
CREATE INDEX deliveries_cancel ON deliveries (cancel_at)
    WHERE cancel_at > 0 AND status NOT IN ('failed', 'timeout', 'cancelled', 'success');

-- Why no rule was to act on an event, whatever it says.
ALTER TABLE events ADD COLUMN refused TEXT NOT NULL DEFAULT '';
CREATE INDEX events_refused ON events (heard) WHERE refused != '';

-- What deliveries said while they ran, where their provider gives it to us to keep.
CREATE TABLE logs (
    delivery TEXT NOT NULL REFERENCES deliveries (id),
    run      INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    line     TEXT NOT NULL,                  -- JSON
    PRIMARY KEY (delivery, run, number)
) WITHOUT ROWID;

-- What may happen once only: tokens and signed webhooks that were used.
CREATE TABLE used (
    kind  TEXT NOT NULL,
    key   TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE INDEX used_until ON used (until);

-- Secrets of repos, encrypted.
CREATE TABLE secrets (
    repo    TEXT NOT NULL,
    key     TEXT NOT NULL,
    sealed  BLOB NOT NULL,
    created INTEGER NOT NULL,
    creator TEXT NOT NULL,
    PRIMARY KEY (repo, key)
) WITHOUT ROWID;

CREATE INDEX pipeline_names_pipeline ON pipeline_names (pipeline);
