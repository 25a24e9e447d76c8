-- Made by `python -m scripts.released_store 2e58dfd`.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'router','m0001_first','2026-11-30 09:06:27.929208+00:00');
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
INSERT INTO "attempts" VALUES(1,'running',1,0,1000000000,1000000000,'done','','');
INSERT INTO "attempts" VALUES(2,'over',1,0,1000000000,1000000000,'done','','');
INSERT INTO "attempts" VALUES(3,'dead',1,0,1000000000,1000000000,'dead','the CI said no','');
INSERT INTO "attempts" VALUES(4,'discarded',1,0,1000000000,1000000000,'dead','no','');
INSERT INTO "attempts" VALUES(5,'retried',1,0,1000000000,1000000000,'ready','the CI was busy','');
INSERT INTO "attempts" VALUES(6,'doubtful',1,0,1000000000,1000000000,'verify','no answer','');
INSERT INTO "attempts" VALUES(7,'claimed',1,0,1000000000,NULL,'','','');
CREATE TABLE bad_frames (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    at     INTEGER NOT NULL,
    why    TEXT NOT NULL,
    frame  BLOB NOT NULL
);
INSERT INTO "bad_frames" VALUES(1,'a',1000000000,'no JSON',X'7B62726F6B656E');
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
    options      TEXT NOT NULL,              
    terms        TEXT NOT NULL,              
    planned      TEXT NOT NULL,              
    state        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    due          INTEGER NOT NULL,
    attempt      INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0, 
    failed_at    INTEGER NOT NULL DEFAULT 0, 
    asked        INTEGER NOT NULL DEFAULT 0, 
    owner        TEXT NOT NULL DEFAULT '',
    session      TEXT NOT NULL DEFAULT '',   
    lease_until  INTEGER NOT NULL DEFAULT 0,
    busy_group   TEXT,
    debounce_key TEXT,
    status       TEXT NOT NULL DEFAULT '',   
    receipt      TEXT,                       
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL
);
INSERT INTO "deliveries" VALUES(1,'running',1,'ci/build','toy',NULL,'toy','did:plc:0','refs/heads/main','1f0c','running','{"commit":"running"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','done','',0,1,1,0,0,'','',0,NULL,NULL,'running','{"id":"build-7","url":"https://ci.example/7","status":"running","exit_code":null,"error":"","detail":{"org":"acme"}}',1000000000,1000000000);
INSERT INTO "deliveries" VALUES(2,'over',1,'ci/build','toy',NULL,'toy','did:plc:1','refs/heads/main','1f0c','over','{"commit":"over"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','done','',0,1,1,0,0,'','',0,NULL,NULL,'success','{"id":"build-7","url":"https://ci.example/7","status":"success","exit_code":null,"error":"","detail":{"org":"acme"}}',1000000000,1000000000);
INSERT INTO "deliveries" VALUES(3,'dead',1,'ci/build','toy',NULL,'toy','did:plc:2','refs/heads/main','1f0c','dead','{"commit":"dead"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','dead','the CI said no',0,1,1,0,0,'','',0,NULL,NULL,'pending',NULL,1000000000,1000000000);
INSERT INTO "deliveries" VALUES(4,'discarded',1,'ci/build','toy',NULL,'toy','did:plc:3','refs/heads/main','1f0c','discarded','{"commit":"discarded"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','discarded','nobody wants it',0,1,1,0,0,'','',0,NULL,NULL,'cancelled',NULL,1000000000,1000000000);
INSERT INTO "deliveries" VALUES(5,'retried',1,'ci/build','toy',NULL,'toy','did:plc:4','refs/heads/main','1f0c','retried','{"commit":"retried"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','ready','the CI was busy',4600000000,1,1,0,0,'','',0,NULL,NULL,'pending',NULL,1000000000,1000000000);
INSERT INTO "deliveries" VALUES(6,'doubtful',1,'ci/build','toy',NULL,'toy','did:plc:5','refs/heads/main','1f0c','doubtful','{"commit":"doubtful"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','verify','no answer',4600000000,1,1,1000000000,0,'','',0,NULL,NULL,'pending',NULL,1000000000,1000000000);
INSERT INTO "deliveries" VALUES(7,'claimed',1,'ci/build','toy',NULL,'toy','did:plc:6','refs/heads/main','1f0c','claimed','{"commit":"claimed"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','claimed','',1000000000,1,1,0,0,'me','d650d99b387abf5a',1090000000,NULL,NULL,'pending',NULL,1000000000,1000000000);
INSERT INTO "deliveries" VALUES(8,'ready',2,'ci/build','toy',NULL,'toy','did:plc:a','refs/heads/main','1f0c','','{"commit":"ready"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":{"group":null,"busy":"queue","dedupe_key":"k","dedupe_within":60.0,"throttle_key":null,"throttle_limit":0,"throttle_per":0.0,"debounce_key":null,"debounce_for":0.0},"knot":"a","depth":0}','ready','ready','',1000000000,0,0,0,0,'','',0,NULL,NULL,'',NULL,1000000000,1000000000);
INSERT INTO "deliveries" VALUES(9,'shadow',2,'ci/build','toy',NULL,'toy','did:plc:a','refs/heads/main','1f0c','','{"commit":"shadow"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":null,"knot":"a","depth":0}','shadow','shadow','',1000000000,0,0,0,0,'','',0,NULL,NULL,'',NULL,1000000000,1000000000);
INSERT INTO "deliveries" VALUES(10,'skipped',3,'ci/build','toy',NULL,'toy','did:plc:a','refs/heads/main','1f0c','','{"commit":"skipped"}','{"timeout":60.0,"retry":{"attempts":8,"base":1.0,"factor":4.0,"cap":3600.0,"schedule":[]},"idempotent":false,"gates":{"group":null,"busy":"queue","dedupe_key":"k","dedupe_within":60.0,"throttle_key":null,"throttle_limit":0,"throttle_per":0.0,"debounce_key":null,"debounce_for":0.0},"knot":"a","depth":0}','ready','skipped','deduplicated: k was seen less than 60 s before',1000000000,0,0,0,0,'','',0,NULL,NULL,'',NULL,1000000000,1000000000);
CREATE TABLE events (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    origin    TEXT NOT NULL,
    id        TEXT NOT NULL,
    source    TEXT NOT NULL,
    kind      TEXT NOT NULL,
    nsid      TEXT NOT NULL,
    time      INTEGER NOT NULL,
    depth     INTEGER NOT NULL,
    repo      TEXT NOT NULL,     
    record    TEXT NOT NULL,     
    fields    TEXT NOT NULL,     
    heard     INTEGER NOT NULL,
    matched   TEXT NOT NULL,     
    troubles  TEXT NOT NULL,     
    undecided INTEGER NOT NULL,
    UNIQUE (origin, id)
);
INSERT INTO "events" VALUES(1,'knot:a','e1','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'["ci/build","ci/build","ci/build","ci/build","ci/build","ci/build","ci/build"]','[]',0);
INSERT INTO "events" VALUES(2,'knot:a','e2','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'["ci/build","ci/build"]','[]',0);
INSERT INTO "events" VALUES(3,'knot:a','e3','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'["ci/build"]','[]',0);
INSERT INTO "events" VALUES(4,'knot:a','e4','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'[]','[{"rule":"ci/other","sentence":"a handle is not known","undecided":true}]',1);
CREATE TABLE facts (
    kind    TEXT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,                   
    updated INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
INSERT INTO "facts" VALUES('handle','alice.example','"did:plc:a"',1000000000);
CREATE TABLE gates (
    number INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL,
    rule   TEXT NOT NULL,
    key    TEXT NOT NULL,
    event  INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    until  INTEGER NOT NULL
);
INSERT INTO "gates" VALUES(1,'dedupe','ci/build','k',2,1000000000,1060000000);
CREATE TABLE sources (
    name       TEXT PRIMARY KEY,
    cursor     INTEGER,
    updated    INTEGER NOT NULL,
    events     INTEGER NOT NULL DEFAULT 0,
    bad_frames INTEGER NOT NULL DEFAULT 0,
    last_bad   TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
INSERT INTO "sources" VALUES('a',11,1000000000,4,1,'no JSON');
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
INSERT INTO "statuses" VALUES(1,'running','running','pending',1000000000,'',NULL,'');
INSERT INTO "statuses" VALUES(2,'over','over','pending',1000000000,'',NULL,'');
INSERT INTO "statuses" VALUES(3,'dead','dead','pending',1000000000,'',NULL,'');
INSERT INTO "statuses" VALUES(4,'discarded','discarded','pending',1000000000,'',NULL,'');
INSERT INTO "statuses" VALUES(5,'retried','retried','pending',1000000000,'',NULL,'');
INSERT INTO "statuses" VALUES(6,'doubtful','doubtful','pending',1000000000,'',NULL,'');
INSERT INTO "statuses" VALUES(7,'claimed','claimed','pending',1000000000,'',NULL,'');
INSERT INTO "statuses" VALUES(8,'running','running','running',1000000001,'',NULL,'');
INSERT INTO "statuses" VALUES(9,'over','over','success',1000000001,'',NULL,'');
INSERT INTO "statuses" VALUES(10,'discarded','discarded','cancelled',1000000001,'nobody wants it',NULL,'');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX events_undecided ON events (number) WHERE undecided = 1;
CREATE INDEX deliveries_event ON deliveries (event);
CREATE INDEX deliveries_state ON deliveries (state, due);
CREATE INDEX deliveries_waiting ON deliveries (repo, due) WHERE state IN ('ready', 'verify');
CREATE INDEX deliveries_claimed ON deliveries (lease_until) WHERE state = 'claimed';
CREATE INDEX deliveries_group ON deliveries (busy_group, state, status) WHERE busy_group IS NOT NULL;
CREATE INDEX deliveries_debounce ON deliveries (rule, debounce_key) WHERE state = 'ready' AND debounce_key IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (provider)
    WHERE state = 'done' AND status NOT IN ('failed', 'timeout', 'cancelled', 'success');
CREATE INDEX statuses_delivery ON statuses (delivery, workflow, number);
CREATE INDEX bad_frames_source ON bad_frames (source, number);
CREATE INDEX gates_key ON gates (kind, rule, key, at);
CREATE INDEX gates_until ON gates (until);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',4);
INSERT INTO "sqlite_sequence" VALUES('deliveries',10);
INSERT INTO "sqlite_sequence" VALUES('statuses',10);
INSERT INTO "sqlite_sequence" VALUES('bad_frames',1);
COMMIT;
