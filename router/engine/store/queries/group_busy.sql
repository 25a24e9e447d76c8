-- Another event's delivery of this group that is not over.
SELECT id
FROM deliveries
WHERE busy_group = :group AND event <> :event AND state IN ('ready', 'claimed', 'verify')
UNION ALL
SELECT id
FROM deliveries
WHERE busy_group = :group AND event <> :event AND state = 'done' AND status IN ('pending', 'running')
LIMIT 1
