SELECT d.*, e.origin, e.id AS event_id, e.nsid
FROM deliveries AS d
JOIN events AS e ON e.number = d.event
WHERE d.number = ?
