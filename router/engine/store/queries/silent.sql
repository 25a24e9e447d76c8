SELECT d.number, d.id, d.provider, d.workflow, d.receipt, d.status
FROM deliveries AS d INDEXED BY deliveries_open
WHERE
    d.state = 'done' AND d.status NOT IN ('failed', 'timeout', 'cancelled', 'success')
    AND d.receipt IS NOT NULL
    AND d.updated < :since
    AND NOT EXISTS (SELECT 1 FROM statuses AS s WHERE s.delivery = d.number AND s.at >= :since)
ORDER BY d.number
LIMIT :limit
