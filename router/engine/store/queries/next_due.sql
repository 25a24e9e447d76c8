SELECT min(at)
FROM (
    SELECT min(due) AS at
    FROM deliveries
    WHERE state = 'ready' AND due > :now AND rule NOT IN (SELECT name FROM paused WHERE kind = 'rule')
    UNION ALL
    SELECT min(due)
    FROM deliveries
    WHERE state = 'verify' AND due > :now AND rule NOT IN (SELECT name FROM paused WHERE kind = 'rule')
    UNION ALL
    SELECT min(lease_until) FROM deliveries WHERE state = 'claimed' AND lease_until > :now
)
