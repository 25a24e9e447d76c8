SELECT d.*, e.origin, e.id AS event_id, e.nsid, q.destination
FROM deliveries AS d
JOIN events AS e ON e.number = d.event
JOIN queues AS q ON q.number = d.queue
WHERE d.number = ?
