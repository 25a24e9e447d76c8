-- What an operator does, and sees of rules.

-- Sources and rules that are paused: a source is not heard, a rule's deliveries wait.
CREATE TABLE paused (
    kind TEXT NOT NULL,                      -- source, rule
    name TEXT NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- How often each rule matched, and when it did last: counted for each batch of new events, and by the trigger below.
CREATE TABLE rule_hits (
    rule TEXT PRIMARY KEY,
    hits INTEGER NOT NULL,
    last INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO rule_hits (rule, hits, last)
SELECT m.value, count(*), max(e.heard)
FROM events AS e, json_each(e.matched) AS m
GROUP BY m.value;

-- An event that is planned again hits the rules that it had not hit before.
CREATE TRIGGER events_hit_again AFTER UPDATE OF matched ON events WHEN new.matched <> old.matched BEGIN
    INSERT INTO rule_hits (rule, hits, last)
    SELECT m.value, 1, new.heard FROM json_each(new.matched) AS m
    WHERE m.value NOT IN (SELECT o.value FROM json_each(old.matched) AS o)
    ON CONFLICT (rule) DO UPDATE SET hits = hits + 1, last = max(last, excluded.last);
END;

-- Deliveries that a gate held back, ever.
CREATE TABLE tallies (
    name  TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO tallies (name, count) SELECT 'skipped', count(*) FROM deliveries WHERE state = 'skipped';

CREATE TRIGGER deliveries_skipped AFTER INSERT ON deliveries WHEN new.state = 'skipped' BEGIN
    UPDATE tallies SET count = count + 1 WHERE name = 'skipped';
END;

CREATE TRIGGER deliveries_skipped_later AFTER UPDATE OF state ON deliveries
WHEN new.state = 'skipped' AND old.state <> 'skipped' BEGIN
    UPDATE tallies SET count = count + 1 WHERE name = 'skipped';
END;
