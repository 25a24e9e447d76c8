-- Times are microseconds since 1970. Columns that hold JSON are written and read by rows.py alone.

CREATE TABLE events (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    origin    TEXT NOT NULL,
    id        TEXT NOT NULL,
    source    TEXT NOT NULL,
    kind      TEXT NOT NULL,
    nsid      TEXT NOT NULL,
    time      INTEGER NOT NULL,
    depth     INTEGER NOT NULL,
    repo      TEXT NOT NULL,     -- as the subjects of its deliveries spell it
    record    TEXT NOT NULL,     -- JSON
    fields    TEXT NOT NULL,     -- JSON
    heard     INTEGER NOT NULL,
    matched   TEXT NOT NULL,     -- JSON: ids of rules
    troubles  TEXT NOT NULL,     -- JSON
    undecided INTEGER NOT NULL,
    UNIQUE (origin, id)
);

CREATE INDEX events_undecided ON events (number) WHERE undecided = 1;

-- The outbox.
CREATE TABLE deliveries (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    event        INTEGER NOT NULL REFERENCES events (number),
    rule         TEXT NOT NULL,
    step         TEXT NOT NULL,
    item         TEXT,
    provider     TEXT NOT NULL,
    repo         TEXT NOT NULL,
    ref          TEXT NOT NULL,
    sha          TEXT NOT NULL,
    workflow     TEXT NOT NULL,
    options      TEXT NOT NULL,              -- JSON
    terms        TEXT NOT NULL,              -- JSON: what else a Delivery holds
    planned      TEXT NOT NULL,              -- the state that the plan asked for
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    due          INTEGER NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0, -- attempts that count against the retry policy
    failed_at    INTEGER NOT NULL DEFAULT 0, -- when an attempt was made that may have happened; 0: there is none
    asked        INTEGER NOT NULL DEFAULT 0, -- an operator wants it made again
    owner        TEXT NOT NULL DEFAULT '',
    session      TEXT NOT NULL DEFAULT '',   -- which opening of the store its claim belongs to
    lease_until  INTEGER NOT NULL DEFAULT 0,
    busy_group   TEXT,
    debounce_key TEXT,
    status       TEXT NOT NULL DEFAULT '',   -- the newest of its workflow in the journal
    receipt      TEXT,                       -- JSON
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL
);

CREATE INDEX deliveries_event ON deliveries (event);
CREATE INDEX deliveries_state ON deliveries (state, due);
CREATE INDEX deliveries_waiting ON deliveries (repo, due) WHERE state IN ('ready', 'verify');
CREATE INDEX deliveries_claimed ON deliveries (lease_until) WHERE state = 'claimed';
CREATE INDEX deliveries_group ON deliveries (busy_group, state, status) WHERE busy_group IS NOT NULL;
CREATE INDEX deliveries_debounce ON deliveries (rule, debounce_key) WHERE state = 'ready' AND debounce_key IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (provider)
    WHERE state = 'done' AND status NOT IN ('failed', 'timeout', 'cancelled', 'success');

-- Every time that a provider was asked to deliver or to look up.
CREATE TABLE attempts (
    number   INTEGER PRIMARY KEY,
    delivery TEXT NOT NULL REFERENCES deliveries (id),
    n        INTEGER NOT NULL,
    verify   INTEGER NOT NULL,
    started  INTEGER NOT NULL,
    ended    INTEGER,
    outcome  TEXT NOT NULL DEFAULT '',
    reason   TEXT NOT NULL DEFAULT '',
    response TEXT NOT NULL DEFAULT '',
    UNIQUE (delivery, n)
);

-- The status journal. AUTOINCREMENT: readers keep a number as their cursor, so none may ever come again, whatever is pruned.
CREATE TABLE statuses (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery  TEXT NOT NULL REFERENCES deliveries (id),
    workflow  TEXT NOT NULL,
    status    TEXT NOT NULL,
    at        INTEGER NOT NULL,
    error     TEXT NOT NULL,
    exit_code INTEGER,
    url       TEXT NOT NULL
);

CREATE INDEX statuses_delivery ON statuses (delivery, workflow, number);

CREATE TABLE sources (
    name       TEXT PRIMARY KEY,
    cursor     INTEGER,
    updated    INTEGER NOT NULL,
    events     INTEGER NOT NULL DEFAULT 0,
    bad_frames INTEGER NOT NULL DEFAULT 0,
    last_bad   TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE TABLE bad_frames (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    at     INTEGER NOT NULL,
    why    TEXT NOT NULL,
    frame  BLOB NOT NULL
);

CREATE INDEX bad_frames_source ON bad_frames (source, number);

CREATE TABLE facts (
    kind    TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,                   -- JSON
    updated INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;

-- What dedupe and throttle remember: a delivery of this key took its turn at `at`, which matters before `until`.
CREATE TABLE gates (
    number INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL,
    rule   TEXT NOT NULL,
    key    TEXT NOT NULL,
    event  INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    until  INTEGER NOT NULL
);

CREATE INDEX gates_key ON gates (kind, rule, key, at);
CREATE INDEX gates_until ON gates (until);
