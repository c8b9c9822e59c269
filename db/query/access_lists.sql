-- name: AccessListGet :one
SELECT entries FROM access_lists WHERE id = @id;

-- name: AccessListSweep :execrows
-- Lists of some age that no token names any more.
DELETE FROM access_lists WHERE id IN (
    SELECT l.id FROM access_lists l
    WHERE l.created_at < now() - interval '1 day' AND NOT EXISTS (SELECT 1 FROM tokens t WHERE t.access_list = l.id)
    LIMIT @max_rows
);
