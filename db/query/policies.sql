-- name: PolicyBySlug :one
SELECT uuid FROM policies WHERE tenant_uuid = @tenant_uuid AND slug = @slug;
