-- What belongs to a delivery refers to it by its number. Ids are random: by them, what is written for deliveries that are made
-- together is a page of an index for each. By numbers it lies together.

-- Every time that a provider was asked to deliver or to look up.
ALTER TABLE attempts RENAME TO attempts_by_id;

CREATE TABLE attempts (
    delivery INTEGER NOT NULL REFERENCES deliveries (number),
    n        INTEGER NOT NULL,
    verify   INTEGER NOT NULL,
    started  INTEGER NOT NULL,
    ended    INTEGER,
    outcome  TEXT NOT NULL DEFAULT '',
    reason   TEXT NOT NULL DEFAULT '',
    response TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (delivery, n)
) WITHOUT ROWID;

-- In the order in which they were made, which is nearly that of the numbers, so that nothing need be sorted.
INSERT INTO attempts (delivery, n, verify, started, ended, outcome, reason, response)
SELECT d.number, a.n, a.verify, a.started, a.ended, a.outcome, a.reason, a.response
FROM attempts_by_id AS a
CROSS JOIN deliveries AS d ON d.id = a.delivery
ORDER BY a.number;

DROP TABLE attempts_by_id;

-- The status journal. AUTOINCREMENT: readers keep a number as their cursor, so none may ever come again, whatever is pruned.
ALTER TABLE statuses RENAME TO statuses_by_id;

CREATE TABLE statuses (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery  INTEGER NOT NULL REFERENCES deliveries (number),
    workflow  TEXT NOT NULL,
    run       INTEGER NOT NULL DEFAULT 0,
    status    TEXT NOT NULL,
    at        INTEGER NOT NULL,
    error     TEXT NOT NULL,
    exit_code INTEGER,
    url       TEXT NOT NULL
);

INSERT INTO statuses (number, delivery, workflow, run, status, at, error, exit_code, url)
SELECT s.number, d.number, s.workflow, s.run, s.status, s.at, s.error, s.exit_code, s.url
FROM statuses_by_id AS s
CROSS JOIN deliveries AS d ON d.id = s.delivery
ORDER BY s.number;

-- The newest may be pruned already.
DELETE FROM sqlite_sequence WHERE name = 'statuses';
UPDATE sqlite_sequence SET name = 'statuses' WHERE name = 'statuses_by_id';

DROP TABLE statuses_by_id;
CREATE INDEX statuses_delivery ON statuses (delivery);

-- Nobody ever asked whose a receipt is. Its column stays, and is null from now on: to take it out, every delivery would be
-- written anew.
DROP INDEX deliveries_receipt;
