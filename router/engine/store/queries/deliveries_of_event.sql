SELECT d.*, e.origin, e.id AS event_id, e.nsid
FROM deliveries AS d
JOIN events AS e ON e.number = d.event
WHERE
    d.event = :event
    AND (:state = '' OR d.state = :state)
    AND (:rule = '' OR d.rule = :rule)
    AND (:repo = '' OR d.repo = :repo)
ORDER BY d.number DESC
LIMIT :limit
