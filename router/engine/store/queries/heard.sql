-- A cursor never goes back: what is heard again from an older place is known already.
INSERT INTO sources (name, cursor, updated, events, bad_frames, last_bad)
VALUES (:name, :cursor, :now, :events, :bad_frames, :last_bad)
ON CONFLICT (name) DO UPDATE SET
    cursor = max(coalesce(cursor, excluded.cursor), coalesce(excluded.cursor, cursor)),
    updated = excluded.updated,
    events = events + excluded.events,
    bad_frames = bad_frames + excluded.bad_frames,
    last_bad = CASE excluded.last_bad WHEN '' THEN last_bad ELSE excluded.last_bad END
