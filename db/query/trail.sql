-- name: TrailAdd :exec
INSERT INTO trail (action, subject_uuid, tenant_uuid, actor, actor_session, remote_addr, request_id, details)
VALUES (@action, @subject_uuid, @tenant_uuid, @actor, @actor_session, @remote_addr, @request_id, @details);
