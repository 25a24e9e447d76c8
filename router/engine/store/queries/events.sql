SELECT e.*, (SELECT count(*) FROM deliveries AS d WHERE d.event = e.number) AS deliveries
FROM events AS e
WHERE
    (:nsid = '' OR e.nsid = :nsid)
    AND (:repo = '' OR e.repo = :repo)
    AND (NOT :matched OR e.matched <> '[]')
ORDER BY e.number DESC
LIMIT :limit
