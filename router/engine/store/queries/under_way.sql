-- What is under way, for those who may have only so much of it: claimed, or made and not over.
SELECT q.account, q.knot, count(*) AS deliveries
FROM deliveries AS d
JOIN queues AS q ON q.number = d.queue
WHERE d.state = 'claimed'
GROUP BY q.account, q.knot
UNION ALL
SELECT q.account, q.knot, count(*)
FROM deliveries AS d INDEXED BY deliveries_open
JOIN queues AS q ON q.number = d.queue
WHERE d.state = 'done' AND d.status NOT IN ('failed', 'timeout', 'cancelled', 'success') AND d.status IN ('pending', 'running')
GROUP BY q.account, q.knot
