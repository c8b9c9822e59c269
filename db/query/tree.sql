-- name: TreeLock :exec
-- One transaction at a time changes the tree of tenants, or something that must not collide anywhere in a part of it.
SELECT pg_advisory_xact_lock(@key::bigint);

-- name: TreeShare :exec
-- Many at a time rely on the tree as it is.
SELECT pg_advisory_xact_lock_shared(@key::bigint);
