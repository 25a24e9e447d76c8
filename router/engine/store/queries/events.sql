SELECT e.*, (SELECT count(*) FROM deliveries AS d WHERE d.event = e.number) AS deliveries
FROM events AS e
WHERE
    (:nsid = '' OR e.nsid = :nsid)
    AND (:repo = '' OR e.repo = :repo)
    AND (:before = 0 OR e.number < :before)
    AND (:rule = '' OR EXISTS (SELECT 1 FROM json_each(e.matched) AS m WHERE m.value = :rule))
    AND (NOT :matched OR e.matched <> '[]')
ORDER BY e.number DESC
LIMIT :limit
