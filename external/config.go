package external

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/trail"
)

// Config is the configuration of a tenant for a type, as it was stored; else fault.NotFound (external.md section 5).
func (s *Service) Config(ctx context.Context, tenant uuid.UUID, typ string) (json.RawMessage, error) {
	if !usable(typ) {
		return nil, undefinedConfig(typ)
	}
	var row db.ExternalConfigGetRow
	err := db.Retry(ctx, func() (err error) {
		row, err = s.q.ExternalConfigGet(ctx, s.d.Pool, db.ExternalConfigGetParams{TenantUUID: tenant, Type: typ})
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read configuration of an external type: %w", err)
	case row.KeyID == nil && row.Known:
		return nil, noConfig(typ)
	case row.KeyID == nil:
		return nil, undefinedConfig(typ)
	}
	text, err := s.d.Sealer.Open(row.Sealed, *row.KeyID, configOf(tenant, typ))
	if err != nil {
		return nil, fmt.Errorf("open the configuration of tenant %s for an external type: %w", tenant, err)
	}
	return text, nil
}

// CreateConfig stores the configuration of a tenant for a type and makes the type known; fault.Conflict if there is one.
func (s *Service) CreateConfig(ctx context.Context, tenant uuid.UUID, typ string, value json.RawMessage) error {
	if !usable(typ) {
		return unknownType(typ)
	}
	sealed, keyID, err := s.d.Sealer.Seal(value, configOf(tenant, typ))
	if err != nil {
		return fmt.Errorf("seal configuration of an external type: %w", err)
	}
	return db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		if _, err := s.q.LDAPConfigKeepTenant(ctx, tx, tenant); none(err) {
			return fault.Modern(fault.Unauthenticated, "unauthorized-tenant", "", "Unauthorized tenant", map[string]any{"tenant_uuid": tenant.String()})
		} else if err != nil {
			return fmt.Errorf("find tenant of a configuration: %w", err)
		}
		if err := s.q.ExternalTypeAdd(ctx, tx, []string{typ}); err != nil {
			return fmt.Errorf("make an external type known: %w", err)
		}
		err := s.q.ExternalConfigAdd(ctx, tx, db.ExternalConfigAddParams{TenantUUID: tenant, Type: typ, Sealed: sealed, KeyID: keyID})
		if db.UniqueViolation(err, "external_configs_pkey") {
			return conflict(typ, "config")
		}
		if err != nil {
			return fmt.Errorf("write configuration of an external type: %w", err)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "external_config created", Tenant: &tenant, Details: ofType(typ)})
	})
}

// UpdateConfig replaces the configuration of a tenant for a type; else fault.NotFound.
func (s *Service) UpdateConfig(ctx context.Context, tenant uuid.UUID, typ string, value json.RawMessage) error {
	sealed, keyID, err := s.d.Sealer.Seal(value, configOf(tenant, typ))
	if err != nil {
		return fmt.Errorf("seal configuration of an external type: %w", err)
	}
	return s.changeConfig(ctx, tenant, typ, "updated", func(tx pgx.Tx) (int64, error) {
		return s.q.ExternalConfigChange(ctx, tx, db.ExternalConfigChangeParams{TenantUUID: tenant, Type: typ, Sealed: sealed, KeyID: keyID})
	})
}

// DeleteConfig removes the configuration of a tenant for a type; else fault.NotFound.
func (s *Service) DeleteConfig(ctx context.Context, tenant uuid.UUID, typ string) error {
	return s.changeConfig(ctx, tenant, typ, "deleted", func(tx pgx.Tx) (int64, error) {
		return s.q.ExternalConfigDelete(ctx, tx, db.ExternalConfigDeleteParams{TenantUUID: tenant, Type: typ})
	})
}

func (s *Service) changeConfig(ctx context.Context, tenant uuid.UUID, typ, verb string, change func(tx pgx.Tx) (int64, error)) error {
	if !usable(typ) {
		return unknownType(typ)
	}
	return db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		n, err := change(tx)
		if err != nil {
			return fmt.Errorf("change configuration of an external type: %w", err)
		}
		if n == 0 {
			if known, err := s.known(ctx, tx, typ); err != nil || !known {
				return orUnknown(err, typ)
			}
			return noConfig(typ)
		}
		return trail.Add(ctx, tx, trail.Entry{Action: "external_config " + verb, Tenant: &tenant, Details: ofType(typ)})
	})
}

func (s *Service) known(ctx context.Context, tx db.DBTX, typ string) (bool, error) {
	if !usable(typ) {
		return false, nil
	}
	known, err := s.q.ExternalTypeKnown(ctx, tx, typ)
	if err != nil {
		return false, fmt.Errorf("find external type: %w", err)
	}
	return known, nil
}

func orUnknown(err error, typ string) error {
	if err != nil {
		return err
	}
	return unknownType(typ)
}

// configOf is the place that a sealed configuration is bound to.
func configOf(tenant uuid.UUID, typ string) []byte {
	return seal.AAD("external_configs", tenant.String(), "", typ)
}
