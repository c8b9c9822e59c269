-- name: ThrottleReserve :many
-- Admits an attempt under each key, if it is free, and gives the keys that admitted it. As many may be judged at a time as
-- could fail without passing the limit; after that one at a time. What a process that died left pending counts for half a
-- minute. Keys come in ascending order, so that statements that share some wait for each other in one order.
INSERT INTO login_throttle AS t (key, started_at, pending, reserved_at, blocked_until, forget_at)
SELECT k.key, now(), 1, now(), now(), now() + make_interval(secs => k.window_seconds)
FROM (
    SELECT unnest(@keys::bytea[]) AS key, unnest(@window_seconds::double precision[]) AS window_seconds
) AS k
ORDER BY k.key
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN t.started_at <= now() - (excluded.forget_at - now()) THEN 0 ELSE t.failures END,
    pending = CASE WHEN t.reserved_at < now() - interval '30 seconds' THEN 1 ELSE t.pending + 1 END,
    reserved_at = now(), forget_at = excluded.forget_at
WHERE t.blocked_until <= now()
  AND (t.pending = 0 OR t.reserved_at < now() - interval '30 seconds'
       OR t.pending + (CASE WHEN t.started_at <= now() - (excluded.forget_at - now()) THEN 0 ELSE t.failures END)
          < (@limits::integer[])[array_position(@keys::bytea[], t.key)])
RETURNING t.key;

-- name: ThrottleSettle :exec
-- Ends attempts that were admitted. A failure counts; the one that reaches the limit, and each after it, blocks the key:
-- for a time that doubles, and prolongs the series, or, where no time is given, until the series is over.
UPDATE login_throttle t SET
    pending = greatest(t.pending - 1, 0),
    failures = t.failures + s.failed,
    started_at = CASE WHEN s.failed = 1 AND (t.failures = 0 OR s.wait_seconds > 0 AND t.failures + 1 >= s.most) THEN now() ELSE t.started_at END,
    blocked_until = CASE
        WHEN s.failed = 0 OR t.failures + 1 < s.most THEN t.blocked_until
        WHEN s.wait_seconds > 0 THEN now() + make_interval(secs => least(s.wait_seconds * 2 ^ least(t.failures + 1 - s.most, 30), s.longest_seconds))
        ELSE t.started_at + make_interval(secs => s.window_seconds) END,
    forget_at = now() + make_interval(secs => greatest(s.window_seconds, s.longest_seconds))
FROM (
    SELECT l.key, k.most, k.window_seconds, k.wait_seconds, k.longest_seconds, @failed::integer AS failed
    FROM (
        SELECT unnest(@keys::bytea[]) AS key, unnest(@limits::integer[]) AS most, unnest(@window_seconds::double precision[]) AS window_seconds,
               unnest(@wait_seconds::double precision[]) AS wait_seconds, unnest(@longest_seconds::double precision[]) AS longest_seconds
    ) AS k JOIN login_throttle l ON l.key = k.key
    ORDER BY l.key
    FOR UPDATE OF l
) AS s
WHERE t.key = s.key;

-- name: ThrottleRefuse :one
-- Gives back what an attempt that was refused elsewhere had reserved, and says how long the other keys are blocked; 0 when
-- they only wait for attempts that are being judged.
WITH back AS (
    UPDATE login_throttle t SET pending = greatest(t.pending - 1, 0) WHERE t.key = ANY (@reserved::bytea[])
)
SELECT coalesce(max(extract(epoch FROM w.blocked_until - clock_timestamp())), 0)::double precision AS seconds
FROM login_throttle w
WHERE w.key = ANY (@keys::bytea[]) AND NOT w.key = ANY (@reserved::bytea[]) AND w.blocked_until > clock_timestamp();

-- name: ThrottleSweep :execrows
DELETE FROM login_throttle WHERE key IN (
    SELECT t.key FROM login_throttle t WHERE t.forget_at < now() LIMIT @max_rows
) AND forget_at < now();
