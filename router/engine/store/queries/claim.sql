-- What may be claimed now, and whose turn it is: by `turn`, `due` and `number`. Fair between repos: a repo's nth delivery at work or due waits
-- for the others' (n-1)th, however long its own queues are. Only the heads of queues are looked at: what waits for an older
-- event of its lane is in no queue yet, and the queues of a destination that takes nothing are passed over whole.
WITH RECURSIVE waiting (queue) AS (
    SELECT min(queue) FROM deliveries INDEXED BY deliveries_waiting WHERE state IN ('ready', 'verify') AND behind = 0
    UNION ALL
    SELECT (
        SELECT min(d.queue)
        FROM deliveries AS d INDEXED BY deliveries_waiting
        WHERE d.state IN ('ready', 'verify') AND d.behind = 0 AND d.queue > waiting.queue
    )
    FROM waiting
    WHERE waiting.queue IS NOT NULL
),

at_work (repo, deliveries) AS (
    SELECT repo, count(*) FROM deliveries WHERE state = 'claimed' GROUP BY repo
),

open_queues (number, repo, destination, account, knot, state) AS (
    SELECT q.number, q.repo, q.destination, q.account, q.knot, s.column1
    FROM waiting
    CROSS JOIN queues AS q ON q.number = waiting.queue
    CROSS JOIN (VALUES ('ready'), ('verify')) AS s
    WHERE
        q.destination NOT IN (SELECT value FROM json_each(:closed))
        -- What may have happened is under way already: it is looked up whatever is left for new ones.
        AND (
            s.column1 = 'verify'
            OR (
                q.destination NOT IN (SELECT value FROM json_each(:looking))
                AND q.account NOT IN (SELECT value FROM json_each(:accounts))
                AND q.knot NOT IN (SELECT value FROM json_each(:knots))
            )
        )
),

heads AS (
    SELECT d.number, d.due, q.repo, q.destination
    FROM open_queues AS q
    CROSS JOIN deliveries AS d
    WHERE d.number IN (
        SELECT w.number
        FROM deliveries AS w INDEXED BY deliveries_waiting
        WHERE
            w.state IN ('ready', 'verify')
            AND w.behind = 0
            AND w.queue = q.number
            AND w.state = q.state
            AND w.due <= :now
            AND w.rule NOT IN (SELECT name FROM paused WHERE kind = 'rule')
            -- None of its group is under way. Of several that may have happened, the oldest is looked up first.
            AND NOT EXISTS (
                SELECT 1
                FROM deliveries AS o
                WHERE o.busy_group = w.busy_group AND o.state = 'claimed'
            )
            AND NOT EXISTS (
                SELECT 1
                FROM deliveries AS o
                WHERE
                    o.busy_group = w.busy_group AND o.state = 'verify' AND o.behind = 0
                    AND o.number <> w.number AND (w.state = 'ready' OR o.number < w.number)
            )
            AND NOT EXISTS (
                SELECT 1
                FROM deliveries AS o
                WHERE o.busy_group = w.busy_group AND o.state = 'done' AND o.status IN ('pending', 'running')
            )
        ORDER BY w.due, w.number
        LIMIT :count
    )
)

SELECT
    h.number,
    h.destination,
    h.due,
    coalesce(a.deliveries, 0) + row_number() OVER (PARTITION BY h.repo ORDER BY h.due, h.number) AS turn
FROM heads AS h
LEFT JOIN at_work AS a ON a.repo = h.repo
