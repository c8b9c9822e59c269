-- name: EmailDeleteOthers :exec
-- Removes a user's addresses but these.
DELETE FROM emails WHERE user_uuid = @user_uuid AND NOT address = ANY (@addresses::text[]);

-- name: EmailInsert :exec
INSERT INTO emails (uuid, user_uuid, address, login_key, main, confirmed)
VALUES (@uuid, @user_uuid, @address, @login_key, @main, @confirmed);

-- name: EmailPut :many
-- Stores a user's addresses; those that are there keep their uuid, and the ones in kept their confirmation. The main one
-- comes last: until then another may have been it.
INSERT INTO emails (user_uuid, address, login_key, main, confirmed)
SELECT @user_uuid, x.address, x.login_key, x.main, x.confirmed
FROM (SELECT unnest(@addresses::text[]) AS address, unnest(@login_keys::bytea[]) AS login_key,
             unnest(@mains::boolean[]) AS main, unnest(@confirmations::boolean[]) AS confirmed) AS x
ORDER BY x.main, x.address
ON CONFLICT (user_uuid, address) DO UPDATE SET main = excluded.main,
    confirmed = CASE WHEN excluded.address = ANY (@kept::text[]) THEN emails.confirmed ELSE excluded.confirmed END
RETURNING uuid, address, main, confirmed;
