-- Copies of the store that became the store. What the life before did after the copy was made is not in here.
CREATE TABLE restores (
    number INTEGER PRIMARY KEY,
    copied INTEGER NOT NULL,                 -- when the copy was made, or put in its place
    began  INTEGER                           -- when a router first ran on it; until then it is a copy
);

-- What may have happened before, and has not been tried since: it gives way as what is ready does.
CREATE INDEX deliveries_doubted ON deliveries (rule, debounce_key)
    WHERE state = 'verify' AND attempt = 0 AND debounce_key IS NOT NULL;
