// Package native is the source of our own users: method "native", backend "wazo_user". Logins and password hashes are
// rows of ours; access lists come from the policies of the user and of the user's groups.
package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/password"
)

// retryLogin is what a client is told to wait when the queue of hashes is full.
const retryLogin = 2 * time.Second

// Method and Name are what configuration, users and tenants call this source.
const (
	Method = "native"
	Name   = "wazo_user"
)

// Hasher verifies passwords and makes hashes at a cost that the process can bear.
type Hasher interface {
	Verify(ctx context.Context, password, stored string) (ok, rehash bool, err error)
	VerifyAbsent(ctx context.Context, password string) error
	Hash(ctx context.Context, password string) (string, error)
}

// Metadata composes the metadata of tokens of our own users.
type Metadata interface {
	Token(ctx context.Context, s backends.Subject) (map[string]any, error)
	Persistent(ctx context.Context, s backends.Subject) (map[string]any, error)
}

// Deps are what the source works with.
type Deps struct {
	Pool   *pgxpool.Pool
	Hasher Hasher
	Log    *slog.Logger
	// Metadata are composed by the purpose of the user.
	Metadata Metadata
	// DefaultPolicy and BackendPolicies name a policy whose accesses every token gets, by the body's backend field first
	// (tokens.md section 12).
	DefaultPolicy   string
	BackendPolicies map[string]string
}

// Source is both the provider and the backend.
type Source struct{ d Deps }

var (
	_ backends.Provider = (*Source)(nil)
	_ backends.Backend  = (*Source)(nil)
)

// New makes the source.
func New(d Deps) *Source { return &Source{d: d} }

// Method is "native".
func (s *Source) Method() string { return Method }

// Name is "wazo_user".
func (s *Source) Name() string { return Name }

// Claims every request with credentials: it is asked last.
func (s *Source) Claims(_ context.Context, r *backends.Request) (bool, error) {
	return r.HasCredentials(), nil
}

// Verify finds the user of the login and compares the password.
func (s *Source) Verify(ctx context.Context, r *backends.Request) (backends.Accepted, error) {
	u, err := s.verify(ctx, r.Login, r.Password)
	if err != nil {
		return backends.Accepted{}, err
	}
	return backends.Accepted{Login: r.Login, Backend: s, User: u}, nil
}

// BackendFor is the source itself.
func (s *Source) BackendFor(context.Context, string) (backends.Backend, error) { return s, nil }

// VerifyPassword tells whether login and password belong to an enabled user.
func (s *Source) VerifyPassword(ctx context.Context, login, password string, _ *backends.Request) (bool, error) {
	_, err := s.verify(ctx, login, password)
	if errors.Is(err, backends.ErrRejected) {
		return false, nil
	}
	return err == nil, err
}

func (s *Source) verify(ctx context.Context, login, pw string) (*backends.User, error) {
	if login == "" || pw == "" {
		return nil, backends.ErrRejected
	}
	var row db.UserByLoginRow
	err := db.Retry(ctx, func() (err error) {
		row, err = db.New().UserByLogin(ctx, s.d.Pool, db.LoginKey(login))
		return err
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("find user by login: %w", err)
	}
	if err != nil || row.PasswordHash == nil {
		// The same work as for a wrong password, so that the time tells nothing about who exists.
		if err := s.d.Hasher.VerifyAbsent(ctx, pw); err != nil {
			return nil, hashFailed(err)
		}
		return nil, backends.ErrRejected
	}
	ok, weak, err := s.d.Hasher.Verify(ctx, pw, *row.PasswordHash)
	if err != nil {
		return nil, hashFailed(err)
	}
	if !ok {
		return nil, backends.ErrRejected
	}
	u := &backends.User{UUID: row.UUID, TenantUUID: row.TenantUUID, Purpose: row.Purpose, Method: row.Method, PasswordHash: row.PasswordHash}
	if weak {
		s.strengthen(ctx, u, pw)
	}
	return u, nil
}

// hashFailed tells a client that has to come again, since too many wait for a hash, from a failure.
func hashFailed(err error) error {
	if errors.Is(err, password.ErrBusy) {
		f := fault.Historic(fault.Unavailable, "Too many logins at once, try again")
		f.RetryAfter = retryLogin
		return f.Because(err)
	}
	return fmt.Errorf("verify password: %w", err)
}

// strengthen replaces a hash of an older kind. A failure costs nothing: the next login tries again.
func (s *Source) strengthen(ctx context.Context, u *backends.User, pw string) {
	h, err := s.d.Hasher.Hash(ctx, pw)
	if err == nil {
		var n int64
		n, err = db.New().UserRehash(ctx, s.d.Pool, db.UserRehashParams{UUID: u.UUID, NewHash: &h, VerifiedHash: *u.PasswordHash})
		if n == 1 {
			u.PasswordHash = &h
		}
	}
	if err != nil {
		s.d.Log.WarnContext(ctx, "a password hash could not be renewed", "user_uuid", u.UUID, "error", err)
	}
}

// AccessList is the configured policy, the policies of the user's groups, and the user's own, in this order.
func (s *Source) AccessList(ctx context.Context, sub backends.Subject, r *backends.Request) ([]string, error) {
	if sub.User == nil {
		return nil, fmt.Errorf("access list of a login without a user: %w", errors.ErrUnsupported)
	}
	policy, ok := s.d.BackendPolicies[r.Backend]
	if !ok {
		policy = s.d.DefaultPolicy
	}
	var rows []db.UserAccessRow
	err := db.Retry(ctx, func() (err error) {
		rows, err = db.New().UserAccess(ctx, s.d.Pool, db.UserAccessParams{DefaultPolicy: policy, UserUUID: sub.User.UUID})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read access list: %w", err)
	}
	const configured = 1 // the first source of the query
	if policy != "" && (len(rows) == 0 || rows[0].Source != configured) {
		s.d.Log.InfoContext(ctx, "the policy that the configuration names gives no access: it is empty or there is none of this name", "policy", policy)
	}
	entries := make([]string, len(rows))
	for i, r := range rows {
		entries[i] = r.Access
	}
	return entries, nil
}

// Metadata depend on the user's purpose.
func (s *Source) Metadata(ctx context.Context, sub backends.Subject) (map[string]any, error) {
	return s.d.Metadata.Token(ctx, sub)
}

// PersistentMetadata depend on the user's purpose.
func (s *Source) PersistentMetadata(ctx context.Context, sub backends.Subject) (map[string]any, error) {
	return s.d.Metadata.Persistent(ctx, sub)
}
