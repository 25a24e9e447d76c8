-- Where deliveries go, whose turn it is, and what others may use of us.

-- What is claimed alike: deliveries of one repo (and its owner and knot) to one destination.
CREATE TABLE queues (
    number      INTEGER PRIMARY KEY,
    repo        TEXT NOT NULL,
    account     TEXT NOT NULL,               -- the DID of the repo's owner
    knot        TEXT NOT NULL,
    destination TEXT NOT NULL,
    UNIQUE (repo, account, knot, destination)
);

-- What was used of a quota in an hour: `scope` is did, knot or all; `hour` counts from 1970. Hours to come are promised already.
CREATE TABLE quotas (
    scope   TEXT NOT NULL,
    key     TEXT NOT NULL,
    hour    INTEGER NOT NULL,
    actions INTEGER NOT NULL DEFAULT 0,
    bytes   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scope, key, hour)
) WITHOUT ROWID;

CREATE INDEX quotas_hour ON quotas (hour);

ALTER TABLE deliveries ADD COLUMN queue INTEGER REFERENCES queues (number);
-- The event's own time, and no later than when it was heard: what a lane is ordered by.
ALTER TABLE deliveries ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
-- When the first of its attempts failed; 0: none has.
ALTER TABLE deliveries ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
-- It waits for another attempt for so long that newer ones of its lane no longer wait for it.
ALTER TABLE deliveries ADD COLUMN let_go INTEGER NOT NULL DEFAULT 0;
-- An event's deliveries wait for those of an older event in their lane. Kept by the triggers below.
ALTER TABLE deliveries ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;
-- What is made one event after the other: a concurrency group, or one step of a rule for one ref. NULL for who holds up nobody.
ALTER TABLE deliveries ADD COLUMN lane TEXT GENERATED ALWAYS AS (
    CASE
        WHEN busy_group IS NOT NULL AND (
            state IN ('ready', 'claimed', 'verify') OR state = 'done' AND status IN ('pending', 'running')
        ) THEN 'group ' || busy_group
        WHEN busy_group IS NULL AND let_go = 0 AND repo <> '' AND ref <> '' AND state IN ('ready', 'claimed', 'verify')
            THEN 'ref ' || rule || char(31) || step || char(31) || repo || char(31) || ref
    END
) VIRTUAL;

CREATE INDEX deliveries_lane ON deliveries (lane, behind, at, event) WHERE lane IS NOT NULL;
CREATE INDEX deliveries_made ON deliveries (provider, updated) WHERE state = 'done';
CREATE INDEX deliveries_queue ON deliveries (queue);
CREATE INDEX deliveries_group_at ON deliveries (busy_group, at) WHERE busy_group IS NOT NULL;

INSERT INTO queues (repo, account, knot, destination)
SELECT DISTINCT repo, '', '', provider FROM deliveries;

UPDATE deliveries
SET
    queue = (SELECT q.number FROM queues AS q WHERE q.repo = deliveries.repo AND q.destination = deliveries.provider),
    at = min(created, coalesce((SELECT e.time FROM events AS e WHERE e.number = deliveries.event), created));

UPDATE deliveries
SET behind = 1
WHERE lane IS NOT NULL AND state IN ('ready', 'verify') AND EXISTS (
    SELECT 1 FROM deliveries AS o
    WHERE o.lane = deliveries.lane AND o.event <> deliveries.event AND (o.at, o.event) < (deliveries.at, deliveries.event)
);

DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_waiting ON deliveries (queue, state, due) WHERE state IN ('ready', 'verify') AND behind = 0;

CREATE TRIGGER deliveries_new AFTER INSERT ON deliveries
WHEN NEW.lane IS NOT NULL AND NEW.state IN ('ready', 'verify')
BEGIN
    -- Behind what is older, and what is under way. It steps in front of younger ones that nobody has touched yet.
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

-- The last of an event to leave its lane lets the next event's in. Who leaves it without being over holds up nobody any more.
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
