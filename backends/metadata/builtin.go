package metadata

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/db"
)

// BuiltIn are the providers of this build. xivoUUID is the installation's name, or nil.
func BuiltIn(pool db.DBTX, xivoUUID *string) []backends.MetadataProvider {
	return []backends.MetadataProvider{
		purpose{"user", xivoUUID}, purpose{"internal", xivoUUID}, purpose{"external_api", xivoUUID}, adminStatus{pool},
	}
}

// purpose is the default provider of one purpose.
type purpose struct {
	name     string
	xivoUUID *string
}

// Name is default_ and the purpose.
func (p purpose) Name() string { return defaults[p.name] }

// TokenMetadata say who it is. Only people have a telephony user.
func (p purpose) TokenMetadata(_ context.Context, s backends.Subject) (map[string]any, error) {
	id := s.User.UUID.String()
	var telephonyUser *uuid.UUID
	if p.name == "user" {
		telephonyUser = &s.User.UUID
	}
	return map[string]any{"uuid": id, "auth_id": id, "tenant_uuid": s.User.TenantUUID.String(), "pbx_user_uuid": telephonyUser,
		"xivo_uuid": p.xivoUUID, "purpose": p.name}, nil
}

// PersistentMetadata are none.
func (purpose) PersistentMetadata(context.Context, backends.Subject) (map[string]any, error) {
	return map[string]any{}, nil
}

// adminStatus tells administrators from others.
type adminStatus struct{ pool db.DBTX }

// Name is user_admin_status.
func (adminStatus) Name() string { return "user_admin_status" }

// TokenMetadata hold admin: whether the user has the administrators' policy directly or is in their group.
func (a adminStatus) TokenMetadata(ctx context.Context, s backends.Subject) (map[string]any, error) {
	if s.User == nil {
		return nil, errors.ErrUnsupported
	}
	var admin bool
	err := db.Retry(ctx, func() (err error) {
		admin, err = db.New().UserIsAdmin(ctx, a.pool, s.User.UUID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read admin status: %w", err)
	}
	return map[string]any{"admin": admin}, nil
}

// PersistentMetadata are none.
func (adminStatus) PersistentMetadata(context.Context, backends.Subject) (map[string]any, error) {
	return map[string]any{}, nil
}
