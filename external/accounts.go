package external

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/trail"
)

// Whose is whose account is meant, and by whom: the user must be in the scope or below it, everybody is without one.
type Whose struct {
	Scope *uuid.UUID
	User  uuid.UUID
	Type  string
}

// account is what is stored.
type account struct {
	data     json.RawMessage
	version  uuid.UUID
	renewing bool
}

// Get gives what is stored for a user; else fault.NotFound: the user first, then the account.
func (s *Service) Get(ctx context.Context, w Whose) (json.RawMessage, error) {
	a, err := s.get(ctx, w)
	if err != nil {
		return nil, err
	}
	return a.data, nil
}

func (s *Service) get(ctx context.Context, w Whose) (account, error) {
	if _, _, err := s.visible(ctx, w); err != nil {
		return account{}, err
	}
	var row db.ExternalAccountGetRow
	err := db.Retry(ctx, func() (err error) {
		row, err = s.q.ExternalAccountGet(ctx, s.d.Pool, db.ExternalAccountGetParams{UserUUID: w.User, Type: w.Type})
		return err
	})
	if none(err) {
		return account{}, noAccount(w.Type)
	}
	if err != nil {
		return account{}, fmt.Errorf("read external account: %w", err)
	}
	data, err := s.d.Sealer.Open(row.Sealed, row.KeyID, accountOf(w.User, w.Type))
	if err != nil {
		return account{}, fmt.Errorf("open the %s account of user %s: %w", w.Type, w.User, err)
	}
	return account{data: data, version: row.Version, renewing: row.Renewing}, nil
}

// visible wants a user to be there and in the scope: fault.NotFound; exists tells the two apart.
func (s *Service) visible(ctx context.Context, w Whose) (tenant uuid.UUID, exists bool, err error) {
	var row db.ExternalUserGetRow
	err = db.Retry(ctx, func() (err error) {
		row, err = s.q.ExternalUserGet(ctx, s.d.Pool, db.ExternalUserGetParams{UUID: w.User, Scope: w.Scope})
		return err
	})
	switch {
	case none(err):
		return uuid.Nil, false, fault.UnknownUser(w.User.String())
	case err != nil:
		return uuid.Nil, false, fmt.Errorf("find user of an external account: %w", err)
	case !row.Visible:
		return uuid.Nil, true, fault.UnknownUser(w.User.String())
	}
	return row.TenantUUID, true, nil
}

// lock holds the user's row, so that changes of one user's accounts come one after the other, and gives the user's tenant.
func (s *Service) lock(ctx context.Context, tx pgx.Tx, w Whose) (tenant uuid.UUID, err error) {
	row, err := s.q.ExternalUserLock(ctx, tx, db.ExternalUserLockParams{UUID: w.User, Scope: w.Scope})
	if none(err) || err == nil && !row.Visible {
		return uuid.Nil, fault.UnknownUser(w.User.String())
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("lock user: %w", err)
	}
	return row.TenantUUID, nil
}

// Create stores the data of a user who has none: fault.Conflict, fault.NotFound.
func (s *Service) Create(ctx context.Context, w Whose, data json.RawMessage) error {
	return s.change(ctx, w, func(tx pgx.Tx, tenant uuid.UUID) error { return s.createIn(ctx, tx, w, tenant, data) })
}

func (s *Service) createIn(ctx context.Context, tx pgx.Tx, w Whose, tenant uuid.UUID, data json.RawMessage) error {
	sealed, keyID, err := s.sealed(w, data)
	if err != nil {
		return err
	}
	err = s.q.ExternalAccountAdd(ctx, tx, db.ExternalAccountAddParams{UserUUID: w.User, Type: w.Type, Sealed: sealed, KeyID: keyID})
	if db.UniqueViolation(err, "external_accounts_pkey") {
		return conflict(w.Type, "method")
	}
	if err != nil {
		return fmt.Errorf("write external account: %w", err)
	}
	return s.tell(ctx, tx, w, tenant, "created", events.UserExternalAuthAdded{User: w.User, Type: w.Type, Tenant: tenant})
}

// Put stores the data of a user, whether there are some or not; fault.NotFound without the user.
func (s *Service) Put(ctx context.Context, w Whose, data json.RawMessage) error {
	return s.change(ctx, w, func(tx pgx.Tx, tenant uuid.UUID) error { return s.putIn(ctx, tx, w, tenant, data) })
}

func (s *Service) putIn(ctx context.Context, tx pgx.Tx, w Whose, tenant uuid.UUID, data json.RawMessage) error {
	sealed, keyID, err := s.sealed(w, data)
	if err != nil {
		return err
	}
	added, err := s.q.ExternalAccountPut(ctx, tx, db.ExternalAccountPutParams{UserUUID: w.User, Type: w.Type, Sealed: sealed, KeyID: keyID})
	if err != nil {
		return fmt.Errorf("write external account: %w", err)
	}
	if added {
		return s.tell(ctx, tx, w, tenant, "created", events.UserExternalAuthAdded{User: w.User, Type: w.Type, Tenant: tenant})
	}
	return s.tell(ctx, tx, w, tenant, "updated", events.UserExternalAuthUpdated{User: w.User, Type: w.Type, Tenant: tenant})
}

// Update replaces the data of a user; fault.NotFound.
func (s *Service) Update(ctx context.Context, w Whose, data json.RawMessage) error {
	return s.change(ctx, w, func(tx pgx.Tx, tenant uuid.UUID) error {
		changed, err := s.updateIn(ctx, tx, w, tenant, data, nil, "updated")
		if err == nil && !changed {
			return noAccount(w.Type)
		}
		return err
	})
}

// updateIn replaces data, of a version only if one is given, and tells whether they were there.
func (s *Service) updateIn(ctx context.Context, tx pgx.Tx, w Whose, tenant uuid.UUID, data json.RawMessage, version *uuid.UUID, verb string) (bool, error) {
	sealed, keyID, err := s.sealed(w, data)
	if err != nil {
		return false, err
	}
	n, err := s.q.ExternalAccountChange(ctx, tx, db.ExternalAccountChangeParams{UserUUID: w.User, Type: w.Type, Sealed: sealed, KeyID: keyID, Version: version})
	if err != nil {
		return false, fmt.Errorf("change external account: %w", err)
	}
	if n == 0 {
		return false, nil
	}
	return true, s.tell(ctx, tx, w, tenant, verb, events.UserExternalAuthUpdated{User: w.User, Type: w.Type, Tenant: tenant})
}

// Delete removes the data of a user; fault.NotFound.
func (s *Service) Delete(ctx context.Context, w Whose) error {
	return s.change(ctx, w, func(tx pgx.Tx, tenant uuid.UUID) error {
		n, err := s.q.ExternalAccountDelete(ctx, tx, db.ExternalAccountDeleteParams{UserUUID: w.User, Type: w.Type})
		if err != nil {
			return fmt.Errorf("delete external account: %w", err)
		}
		if n == 0 {
			return noAccount(w.Type)
		}
		return s.tell(ctx, tx, w, tenant, "deleted", events.UserExternalAuthDeleted{User: w.User, Type: w.Type, Tenant: tenant})
	})
}

// change does something to an account in a transaction that holds the user's row, and wakes the relays after it.
func (s *Service) change(ctx context.Context, w Whose, do func(tx pgx.Tx, tenant uuid.UUID) error) error {
	err := db.InTx(ctx, s.d.Pool, func(tx pgx.Tx) error {
		tenant, err := s.lock(ctx, tx, w)
		if err != nil {
			return err
		}
		return do(tx, tenant)
	})
	if err != nil {
		return err
	}
	s.d.Wake()
	return nil
}

// tell writes the trail and owes an event.
func (s *Service) tell(ctx context.Context, tx pgx.Tx, w Whose, tenant uuid.UUID, verb string, event events.Event) error {
	err := trail.Add(ctx, tx, trail.Entry{Action: "external_auth " + verb, Subject: &w.User, Tenant: &tenant, Details: ofType(w.Type)})
	if err != nil {
		return err
	}
	return s.d.Events.Add(ctx, tx, event)
}

func (s *Service) sealed(w Whose, data json.RawMessage) (sealed []byte, keyID string, err error) {
	if sealed, keyID, err = s.d.Sealer.Seal(data, accountOf(w.User, w.Type)); err != nil {
		return nil, "", fmt.Errorf("seal external account: %w", err)
	}
	return sealed, keyID, nil
}

// accountOf is the place that sealed data of a user are bound to.
func accountOf(user uuid.UUID, typ string) []byte {
	return seal.AAD("external_accounts", user.String(), user.String(), typ)
}
