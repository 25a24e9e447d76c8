-- What may be claimed now, in the order in which it should be. Fair between repos: a repo's nth delivery at work or due waits
-- for the others' (n-1)th, however long its own queue is. Only the heads of the queues are looked at.
WITH RECURSIVE repos (repo) AS (
    SELECT min(repo) FROM deliveries INDEXED BY deliveries_waiting WHERE state IN ('ready', 'verify')
    UNION ALL
    SELECT (
        SELECT min(d.repo)
        FROM deliveries AS d INDEXED BY deliveries_waiting
        WHERE d.state IN ('ready', 'verify') AND d.repo > repos.repo
    )
    FROM repos
    WHERE repos.repo IS NOT NULL
),

at_work (repo, deliveries) AS (
    SELECT repo, count(*) FROM deliveries WHERE state = 'claimed' GROUP BY repo
),

heads AS (
    SELECT d.number, d.due, d.provider, d.busy_group, d.repo
    FROM repos
    CROSS JOIN deliveries AS d
    WHERE d.number IN (
        SELECT w.number
        FROM deliveries AS w
        WHERE
            w.state IN ('ready', 'verify')
            AND w.repo = repos.repo
            AND w.due <= :now
            AND w.provider NOT IN (SELECT value FROM json_each(:full))
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
                    o.busy_group = w.busy_group AND o.state = 'verify'
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
    h.provider,
    h.busy_group,
    coalesce(a.deliveries, 0) + row_number() OVER (PARTITION BY h.repo ORDER BY h.due, h.number) AS turn
FROM heads AS h
LEFT JOIN at_work AS a ON a.repo = h.repo
ORDER BY turn, h.due, h.number
