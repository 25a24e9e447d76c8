-- Made by `python -m scripts.released_store e3de7b3`.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'router','m0001_first','2026-11-30 17:21:12.756192+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'router','m0002_verdicts_before','2026-11-30 17:21:12.757266+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'router','m0003_spindle','2026-11-30 17:21:12.760214+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'router','m0004_queues','2026-11-30 17:21:12.763941+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'router','m0005_restores','2026-11-30 17:21:12.764959+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'router','m0006_operator','2026-11-30 17:21:12.765951+00:00');
CREATE TABLE announcements (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    created  INTEGER NOT NULL UNIQUE,
    nsid     TEXT NOT NULL,
    rkey     TEXT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    event    TEXT NOT NULL                   
);
INSERT INTO "announcements" VALUES(1,1000000001000,'sh.tangled.pipeline','3l4f7xaaaaa22','3l4f7xaaaaa22','{"triggerMetadata":{"kind":"push"},"workflows":[]}');
INSERT INTO "announcements" VALUES(2,1000000002000,'sh.tangled.pipeline.status','22222xtpmk423','3l4f7xaaaaa22','{"$type":"sh.tangled.pipeline.status","createdAt":"1970-01-01T00:16:40.000002Z","pipeline":"at://did:web:knot.example.com/sh.tangled.pipeline/3l4f7xaaaaa22","status":"pending","workflow":"ci.yml"}');
INSERT INTO "announcements" VALUES(3,1000000003000,'sh.tangled.pipeline.status','22222xtpmk523','3l4f7xaaaaa22','{"$type":"sh.tangled.pipeline.status","createdAt":"1970-01-01T00:16:40.000003Z","pipeline":"at://did:web:knot.example.com/sh.tangled.pipeline/3l4f7xbbbbb22","status":"pending","workflow":"ci.yml"}');
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
, pipeline TEXT, run INTEGER NOT NULL DEFAULT 0, cancel_at INTEGER NOT NULL DEFAULT 0, cancel_why TEXT NOT NULL DEFAULT '', receipt_id TEXT, queue INTEGER REFERENCES queues (number), at INTEGER NOT NULL DEFAULT 0, since INTEGER NOT NULL DEFAULT 0, let_go INTEGER NOT NULL DEFAULT 0, behind INTEGER NOT NULL DEFAULT 0, lane TEXT GENERATED ALWAYS AS (
    CASE
        WHEN busy_group IS NOT NULL AND (
            state IN ('ready', 'claimed', 'verify') OR state = 'done' AND status IN ('pending', 'running')
        ) THEN 'group ' || busy_group
        WHEN busy_group IS NULL AND let_go = 0 AND repo <> '' AND ref <> '' AND state IN ('ready', 'claimed', 'verify')
            THEN 'ref ' || rule || char(31) || step || char(31) || repo || char(31) || ref
    END
) VIRTUAL);
INSERT INTO "deliveries" VALUES(1,'running',1,'ci/build','toy',NULL,'toy','did:plc:0','refs/heads/running','1f0c','running','{"commit":"running"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','done','',0,1,1,0,0,'','',0,NULL,NULL,'running','{"id":"build-7","url":"https://ci.example/7","status":"running","exit_code":null,"error":"","detail":{"org":"acme"}}',1000000000,1000000000,NULL,0,0,'','build-7',1,1000000000,0,0,0);
INSERT INTO "deliveries" VALUES(2,'over',1,'ci/build','toy',NULL,'toy','did:plc:1','refs/heads/over','1f0c','over','{"commit":"over"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','done','',0,1,1,0,0,'','',0,NULL,NULL,'success','{"id":"build-7","url":"https://ci.example/7","status":"success","exit_code":null,"error":"","detail":{"org":"acme"}}',1000000000,1000000000,NULL,0,0,'','build-7',2,1000000000,0,0,0);
INSERT INTO "deliveries" VALUES(3,'dead',1,'ci/build','toy',NULL,'toy','did:plc:2','refs/heads/dead','1f0c','dead','{"commit":"dead"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','dead','the CI said no',0,1,1,0,0,'','',0,NULL,NULL,'pending',NULL,1000000000,1000000000,NULL,0,0,'',NULL,3,1000000000,0,0,0);
INSERT INTO "deliveries" VALUES(4,'discarded',1,'ci/build','toy',NULL,'toy','did:plc:3','refs/heads/discarded','1f0c','discarded','{"commit":"discarded"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','discarded','nobody wants it',0,1,1,0,0,'','',0,NULL,NULL,'cancelled',NULL,1000000000,1000000000,NULL,0,0,'',NULL,4,1000000000,0,0,0);
INSERT INTO "deliveries" VALUES(5,'retried',1,'ci/build','toy',NULL,'toy','did:plc:4','refs/heads/retried','1f0c','retried','{"commit":"retried"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','ready','the CI was busy',4600000000,1,1,0,0,'','',0,NULL,NULL,'pending',NULL,1000000000,1000000000,NULL,0,0,'',NULL,5,1000000000,1000000000,1,0);
INSERT INTO "deliveries" VALUES(6,'doubtful',1,'ci/build','toy',NULL,'toy','did:plc:5','refs/heads/doubtful','1f0c','doubtful','{"commit":"doubtful"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','verify','no answer',4600000000,1,1,1000000000,0,'','',0,NULL,NULL,'pending',NULL,1000000000,1000000000,NULL,0,0,'',NULL,6,1000000000,1000000000,1,0);
INSERT INTO "deliveries" VALUES(7,'claimed',1,'ci/build','toy',NULL,'toy','did:plc:6','refs/heads/claimed','1f0c','claimed','{"commit":"claimed"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','claimed','',1000000000,1,1,0,0,'me','26d0c37e534442f1',1090000000,NULL,NULL,'pending',NULL,1000000000,1000000000,NULL,0,0,'',NULL,7,1000000000,0,0,0);
INSERT INTO "deliveries" VALUES(8,'ready',2,'ci/build','toy',NULL,'toy','did:plc:a','refs/heads/ready','1f0c','','{"commit":"ready"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":{"group":null,"busy":"queue","dedupe_key":"k","dedupe_within":60.0,"throttle_key":null,"throttle_limit":0,"throttle_per":0.0,"debounce_key":null,"debounce_for":0.0},"knot":"a","depth":0}','ready','ready','',1000000000,0,0,0,0,'','',0,NULL,NULL,'',NULL,1000000000,1000000000,NULL,0,0,'',NULL,8,1000000000,0,0,0);
INSERT INTO "deliveries" VALUES(9,'shadow',2,'ci/build','toy',NULL,'toy','did:plc:a','refs/heads/shadow','1f0c','','{"commit":"shadow"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','shadow','shadow','',1000000000,0,0,0,0,'','',0,NULL,NULL,'',NULL,1000000000,1000000000,NULL,0,0,'',NULL,8,1000000000,0,0,0);
INSERT INTO "deliveries" VALUES(10,'skipped',3,'ci/build','toy',NULL,'toy','did:plc:a','refs/heads/skipped','1f0c','','{"commit":"skipped"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":{"group":null,"busy":"queue","dedupe_key":"k","dedupe_within":60.0,"throttle_key":null,"throttle_limit":0,"throttle_per":0.0,"debounce_key":null,"debounce_for":0.0},"knot":"a","depth":0}','ready','skipped','deduplicated: k was seen less than 60 s before',1000000000,0,0,0,0,'','',0,NULL,NULL,'',NULL,1000000000,1000000000,NULL,0,0,'',NULL,8,1000000000,0,0,0);
INSERT INTO "deliveries" VALUES(11,'run',5,'ci/build','toy',NULL,'toy','did:plc:a','refs/heads/run','1f0c','ci.yml','{"commit":"run"}','{"timeout":60.0,"retry":null,"idempotent":false,"gates":null,"knot":"a","depth":0}','ready','ready','',1000000000,0,0,0,0,'','',0,NULL,NULL,'pending',NULL,1000000000,1000000000,'3l4f7xaaaaa22',0,0,'',NULL,8,1000000000,0,0,0);
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
    undecided INTEGER NOT NULL, refused TEXT NOT NULL DEFAULT '',
    UNIQUE (origin, id)
);
INSERT INTO "events" VALUES(1,'knot:a','e1','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'["ci/build","ci/build","ci/build","ci/build","ci/build","ci/build","ci/build"]','[]',0,'');
INSERT INTO "events" VALUES(2,'knot:a','e2','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'["ci/build","ci/build"]','[]',0,'');
INSERT INTO "events" VALUES(3,'knot:a','e3','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'["ci/build"]','[]',0,'');
INSERT INTO "events" VALUES(4,'knot:a','e4','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'[]','[{"rule":"ci/other","sentence":"a handle is not known","undecided":true}]',1,'');
INSERT INTO "events" VALUES(5,'knot:a','e6','a','knot','sh.tangled.git.refUpdate',1000000000,0,'did:plc:a','{"ref":"refs/heads/main"}','{"repo":{"did":"did:plc:a"}}',1000000000,'["ci/build"]','[]',0,'');
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
CREATE TABLE logs (
    delivery TEXT NOT NULL REFERENCES deliveries (id),
    run      INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    line     TEXT NOT NULL,                  
    PRIMARY KEY (delivery, run, number)
) WITHOUT ROWID;
INSERT INTO "logs" VALUES('run',0,0,'{"step":0,"part":"said","text":"hello","at":0,"stream":"stdout","system":false,"command":""}');
CREATE TABLE paused (
    kind TEXT NOT NULL,                      
    name TEXT NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE pipeline_names (
    knot     TEXT NOT NULL,
    rkey     TEXT NOT NULL,
    pipeline TEXT NOT NULL REFERENCES pipelines (id),
    PRIMARY KEY (knot, rkey)
) WITHOUT ROWID;
INSERT INTO "pipeline_names" VALUES('knot.example.com','3l4f7xbbbbb22','3l4f7xaaaaa22');
CREATE TABLE pipelines (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    key         TEXT NOT NULL UNIQUE,
    event       INTEGER NOT NULL REFERENCES events (number),
    knot        TEXT NOT NULL,
    repo        TEXT NOT NULL,               
    owner       TEXT NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,               
    sha         TEXT NOT NULL,
    source_repo TEXT NOT NULL,
    actor       TEXT NOT NULL,
    record      TEXT NOT NULL,               
    created     INTEGER NOT NULL             
);
INSERT INTO "pipelines" VALUES(1,'3l4f7xaaaaa22','a push',5,'knot.example.com','did:plc:a','did:plc:o','core','push','1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f','','','{"triggerMetadata":{"kind":"push"},"workflows":[]}',1000000000000);
CREATE TABLE queues (
    number      INTEGER PRIMARY KEY,
    repo        TEXT NOT NULL,
    account     TEXT NOT NULL,               
    knot        TEXT NOT NULL,
    destination TEXT NOT NULL,
    UNIQUE (repo, account, knot, destination)
);
INSERT INTO "queues" VALUES(1,'did:plc:0','','','toy');
INSERT INTO "queues" VALUES(2,'did:plc:1','','','toy');
INSERT INTO "queues" VALUES(3,'did:plc:2','','','toy');
INSERT INTO "queues" VALUES(4,'did:plc:3','','','toy');
INSERT INTO "queues" VALUES(5,'did:plc:4','','','toy');
INSERT INTO "queues" VALUES(6,'did:plc:5','','','toy');
INSERT INTO "queues" VALUES(7,'did:plc:6','','','toy');
INSERT INTO "queues" VALUES(8,'did:plc:a','','','toy');
CREATE TABLE quotas (
    scope   TEXT NOT NULL,
    key     TEXT NOT NULL,
    hour    INTEGER NOT NULL,
    actions INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, key, hour)
) WITHOUT ROWID;
CREATE TABLE records (
    did        TEXT NOT NULL,
    collection TEXT NOT NULL,
    rkey       TEXT NOT NULL,
    rev        TEXT NOT NULL,                
    record     TEXT NOT NULL,
    heard      INTEGER NOT NULL,
    PRIMARY KEY (did, collection, rkey)
) WITHOUT ROWID;
INSERT INTO "records" VALUES('did:plc:a','sh.tangled.repo','r','1','{"name":"core"}',1000000000);
CREATE TABLE restores (
    number INTEGER PRIMARY KEY,
    copied INTEGER NOT NULL,                 
    began  INTEGER                           
);
CREATE TABLE rule_hits (
    rule TEXT PRIMARY KEY,
    hits INTEGER NOT NULL,
    last INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "rule_hits" VALUES('ci/build',11,1000000000);
CREATE TABLE secrets (
    repo    TEXT NOT NULL,
    key     TEXT NOT NULL,
    sealed  BLOB NOT NULL,
    created INTEGER NOT NULL,
    creator TEXT NOT NULL,
    PRIMARY KEY (repo, key)
) WITHOUT ROWID;
INSERT INTO "secrets" VALUES('did:plc:a','TOKEN',X'7365616C6564',1000000000,'did:plc:o');
CREATE TABLE sources (
    name       TEXT PRIMARY KEY,
    cursor     INTEGER,
    updated    INTEGER NOT NULL,
    events     INTEGER NOT NULL DEFAULT 0,
    bad_frames INTEGER NOT NULL DEFAULT 0,
    last_bad   TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
INSERT INTO "sources" VALUES('a',12,1000000000,5,1,'no JSON');
CREATE TABLE statuses (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery  TEXT NOT NULL REFERENCES deliveries (id),
    workflow  TEXT NOT NULL,
    status    TEXT NOT NULL,
    at        INTEGER NOT NULL,
    error     TEXT NOT NULL,
    exit_code INTEGER,
    url       TEXT NOT NULL
, run INTEGER NOT NULL DEFAULT 0);
INSERT INTO "statuses" VALUES(1,'running','running','pending',1000000000,'',NULL,'',0);
INSERT INTO "statuses" VALUES(2,'over','over','pending',1000000000,'',NULL,'',0);
INSERT INTO "statuses" VALUES(3,'dead','dead','pending',1000000000,'',NULL,'',0);
INSERT INTO "statuses" VALUES(4,'discarded','discarded','pending',1000000000,'',NULL,'',0);
INSERT INTO "statuses" VALUES(5,'retried','retried','pending',1000000000,'',NULL,'',0);
INSERT INTO "statuses" VALUES(6,'doubtful','doubtful','pending',1000000000,'',NULL,'',0);
INSERT INTO "statuses" VALUES(7,'claimed','claimed','pending',1000000000,'',NULL,'',0);
INSERT INTO "statuses" VALUES(8,'running','running','running',1000000001,'',NULL,'',0);
INSERT INTO "statuses" VALUES(9,'over','over','success',1000000001,'',NULL,'',0);
INSERT INTO "statuses" VALUES(10,'discarded','discarded','cancelled',1000000001,'nobody wants it',NULL,'',0);
INSERT INTO "statuses" VALUES(11,'run','ci.yml','pending',1000000000,'',NULL,'',0);
CREATE TABLE tallies (
    name  TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "tallies" VALUES('skipped',1);
CREATE TABLE used (
    kind  TEXT NOT NULL,
    key   TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
INSERT INTO "used" VALUES('jti','one',1000001000000000);
CREATE TABLE workflows (
    pipeline  TEXT NOT NULL REFERENCES pipelines (id),
    name      TEXT NOT NULL,
    position  INTEGER NOT NULL,
    status    TEXT NOT NULL,                 
    at        INTEGER NOT NULL,              
    started   INTEGER,
    finished  INTEGER,
    error     TEXT NOT NULL,
    exit_code INTEGER,
    url       TEXT NOT NULL,
    PRIMARY KEY (pipeline, name)
) WITHOUT ROWID;
INSERT INTO "workflows" VALUES('3l4f7xaaaaa22','ci.yml',1,'pending',1000000000,NULL,NULL,'',NULL,'');
INSERT INTO "workflows" VALUES('3l4f7xaaaaa22','nobody.yml',0,'',0,NULL,NULL,'',NULL,'');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX events_undecided ON events (number) WHERE undecided = 1;
CREATE INDEX deliveries_event ON deliveries (event);
CREATE INDEX deliveries_state ON deliveries (state, due);
CREATE INDEX deliveries_claimed ON deliveries (lease_until) WHERE state = 'claimed';
CREATE INDEX deliveries_group ON deliveries (busy_group, state, status) WHERE busy_group IS NOT NULL;
CREATE INDEX deliveries_debounce ON deliveries (rule, debounce_key) WHERE state = 'ready' AND debounce_key IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (provider)
    WHERE state = 'done' AND status NOT IN ('failed', 'timeout', 'cancelled', 'success');
CREATE INDEX statuses_delivery ON statuses (delivery, workflow, number);
CREATE INDEX bad_frames_source ON bad_frames (source, number);
CREATE INDEX gates_key ON gates (kind, rule, key, at);
CREATE INDEX gates_until ON gates (until);
CREATE INDEX deliveries_of_ref ON deliveries (rule, repo, ref, workflow, number) WHERE workflow != '';
CREATE INDEX records_collection ON records (collection);
CREATE INDEX pipelines_repo ON pipelines (repo, created);
CREATE INDEX pipelines_sha ON pipelines (repo, sha, created);
CREATE INDEX pipelines_event ON pipelines (event);
CREATE INDEX announcements_pipeline ON announcements (pipeline);
CREATE INDEX deliveries_pipeline ON deliveries (pipeline, workflow) WHERE pipeline IS NOT NULL;
CREATE INDEX deliveries_receipt ON deliveries (provider, receipt_id) WHERE receipt_id IS NOT NULL;
CREATE INDEX deliveries_cancel ON deliveries (cancel_at)
    WHERE cancel_at > 0 AND status NOT IN ('failed', 'timeout', 'cancelled', 'success');
CREATE INDEX events_refused ON events (heard) WHERE refused != '';
CREATE INDEX used_until ON used (until);
CREATE INDEX pipeline_names_pipeline ON pipeline_names (pipeline);
CREATE INDEX quotas_hour ON quotas (hour);
CREATE INDEX deliveries_lane ON deliveries (lane, behind, at, event) WHERE lane IS NOT NULL;
CREATE INDEX deliveries_made ON deliveries (provider, updated) WHERE state = 'done';
CREATE INDEX deliveries_queue ON deliveries (queue);
CREATE INDEX deliveries_group_at ON deliveries (busy_group, at) WHERE busy_group IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (queue, state, due) WHERE state IN ('ready', 'verify') AND behind = 0;
CREATE TRIGGER deliveries_new AFTER INSERT ON deliveries
WHEN NEW.lane IS NOT NULL AND NEW.state IN ('ready', 'verify')
BEGIN
    
    UPDATE deliveries
    SET behind = 1
    WHERE number = NEW.number AND EXISTS (
        SELECT 1 FROM deliveries AS o
        WHERE o.lane = NEW.lane AND o.event <> NEW.event
            AND (o.state IN ('claimed', 'done') OR (o.at, o.event) < (NEW.at, NEW.event))
    );
    UPDATE deliveries
    SET behind = 1
    WHERE lane = NEW.lane AND behind = 0 AND event <> NEW.event AND state = 'ready' AND attempt = 0
        AND (SELECT o.behind FROM deliveries AS o WHERE o.number = NEW.number) = 0;
END;
CREATE TRIGGER deliveries_back AFTER UPDATE OF state, status, let_go ON deliveries
WHEN OLD.lane IS NULL AND NEW.lane IS NOT NULL AND NEW.state IN ('ready', 'verify')
BEGIN
    UPDATE deliveries
    SET behind = EXISTS (
        SELECT 1 FROM deliveries AS o
        WHERE o.lane = NEW.lane AND o.event <> NEW.event
            AND (o.state IN ('claimed', 'done') OR (o.at, o.event) < (NEW.at, NEW.event))
    )
    WHERE number = NEW.number;
    UPDATE deliveries
    SET behind = 1
    WHERE lane = NEW.lane AND behind = 0 AND event <> NEW.event AND state = 'ready' AND attempt = 0
        AND (SELECT o.behind FROM deliveries AS o WHERE o.number = NEW.number) = 0;
END;
CREATE TRIGGER deliveries_over AFTER UPDATE OF state, status, let_go ON deliveries
WHEN OLD.lane IS NOT NULL AND NEW.lane IS NULL
BEGIN
    UPDATE deliveries SET behind = 0 WHERE number = NEW.number AND behind = 1;
    UPDATE deliveries
    SET behind = 0
    WHERE lane = OLD.lane AND behind = 1
        AND event = (SELECT o.event FROM deliveries AS o WHERE o.lane = OLD.lane AND o.behind = 1 ORDER BY o.at, o.event LIMIT 1)
        AND NOT EXISTS (SELECT 1 FROM deliveries AS o WHERE o.lane = OLD.lane AND o.behind = 0);
END;
CREATE TRIGGER deliveries_gone AFTER DELETE ON deliveries
WHEN OLD.lane IS NOT NULL
BEGIN
    UPDATE deliveries
    SET behind = 0
    WHERE lane = OLD.lane AND behind = 1
        AND event = (SELECT o.event FROM deliveries AS o WHERE o.lane = OLD.lane AND o.behind = 1 ORDER BY o.at, o.event LIMIT 1)
        AND NOT EXISTS (SELECT 1 FROM deliveries AS o WHERE o.lane = OLD.lane AND o.behind = 0);
END;
CREATE INDEX deliveries_doubted ON deliveries (rule, debounce_key)
    WHERE state = 'verify' AND attempt = 0 AND debounce_key IS NOT NULL;
CREATE TRIGGER events_hit_again AFTER UPDATE OF matched ON events WHEN new.matched <> old.matched BEGIN
    INSERT INTO rule_hits (rule, hits, last)
    SELECT m.value, 1, new.heard FROM json_each(new.matched) AS m
    WHERE m.value NOT IN (SELECT o.value FROM json_each(old.matched) AS o)
    ON CONFLICT (rule) DO UPDATE SET hits = hits + 1, last = max(last, excluded.last);
END;
CREATE TRIGGER deliveries_skipped AFTER INSERT ON deliveries WHEN new.state = 'skipped' BEGIN
    UPDATE tallies SET count = count + 1 WHERE name = 'skipped';
END;
CREATE TRIGGER deliveries_skipped_later AFTER UPDATE OF state ON deliveries
WHEN new.state = 'skipped' AND old.state <> 'skipped' BEGIN
    UPDATE tallies SET count = count + 1 WHERE name = 'skipped';
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',5);
INSERT INTO "sqlite_sequence" VALUES('deliveries',11);
INSERT INTO "sqlite_sequence" VALUES('statuses',11);
INSERT INTO "sqlite_sequence" VALUES('bad_frames',1);
INSERT INTO "sqlite_sequence" VALUES('pipelines',1);
INSERT INTO "sqlite_sequence" VALUES('announcements',3);
COMMIT;
