-- Of these deliveries (JSON), those that may be claimed now: what `claim` found a moment ago may have been claimed, held up or
-- paused since.
SELECT
    d.number,
    d.id,
    d.rule,
    d.step,
    d.item,
    d.provider,
    d.repo,
    d.ref,
    d.sha,
    d.workflow,
    d.options,
    d.terms,
    d.state,
    d.reason,
    d.attempt,
    d.tries,
    d.failed_at,
    d.asked,
    d.busy_group,
    e.origin,
    e.id AS event_id,
    e.nsid,
    q.destination,
    q.account,
    q.knot
FROM json_each(:numbers) AS n
CROSS JOIN deliveries AS d ON d.number = n.value
JOIN events AS e ON e.number = d.event
JOIN queues AS q ON q.number = d.queue
WHERE
    d.state IN ('ready', 'verify')
    AND d.behind = 0
    AND d.due <= :now
    AND d.rule NOT IN (SELECT name FROM paused WHERE kind = 'rule')
    AND (
        d.busy_group IS NULL
        OR NOT EXISTS (
            SELECT 1
            FROM deliveries AS o
            WHERE
                o.busy_group = d.busy_group
                AND (
                    o.state = 'claimed'
                    OR o.state = 'done' AND o.status IN ('pending', 'running')
                    OR o.state = 'verify' AND o.behind = 0 AND o.number <> d.number
                    AND (d.state = 'ready' OR o.number < d.number)
                )
        )
    )
