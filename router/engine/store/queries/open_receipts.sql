SELECT number, id, provider, workflow, receipt, status
FROM deliveries
WHERE
    provider = :provider
    AND state = 'done' AND status NOT IN ('failed', 'timeout', 'cancelled', 'success')
    AND receipt IS NOT NULL
    AND number > :after
ORDER BY number
LIMIT :limit
