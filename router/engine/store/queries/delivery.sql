-- char(1114111) sorts after everything that an id can go on with.
SELECT d.*, e.origin, e.id AS event_id, e.nsid
FROM deliveries AS d
JOIN events AS e ON e.number = d.event
WHERE d.id >= :beginning AND d.id < :beginning || char(1114111)
ORDER BY d.id
LIMIT 2
