package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
)

// Purposes that a user may have.
const (
	PurposeUser        = "user"
	PurposeInternal    = "internal"
	PurposeExternalAPI = "external_api"
)

// Reasons why a user's sessions end; they are those of the lifetimes.
const (
	reasonPasswordChanged = "password changed"
	reasonUserDisabled    = "user disabled"
	reasonUserDeleted     = "user deleted"
)

// Hasher makes and verifies password hashes at a cost that the process can bear.
type Hasher interface {
	Hash(ctx context.Context, password string) (string, error)
	Verify(ctx context.Context, password, stored string) (ok, rehash bool, err error)
	// VerifyAbsent does the work of a wrong password where there is none to compare with.
	VerifyAbsent(ctx context.Context, password string) error
}

// Sessions ends sessions inside the caller's transaction.
type Sessions interface {
	RevokeUserIn(ctx context.Context, tx pgx.Tx, user uuid.UUID, reason string) (int, error)
	// RevokeResetsIn ends all reset mails of a user and gives the sessions of their tokens.
	RevokeResetsIn(ctx context.Context, tx pgx.Tx, user uuid.UUID) ([]uuid.UUID, error)
	// RevokeMailsIn ends the tokens of all mails of a user.
	RevokeMailsIn(ctx context.Context, tx pgx.Tx, user uuid.UUID, reason string) (int, error)
}

// User is a user as everybody may see it: nothing about the password (identity.md section 3).
type User struct {
	UUID, Tenant                  uuid.UUID
	Username, Firstname, Lastname *string
	Purpose                       string
	// Method is the authentication method, "default" for the tenant's.
	Method  string
	Enabled bool
	// Emails has the main one first.
	Emails []Email
}

// Email is an address of a user.
type Email struct {
	UUID      uuid.UUID `json:"uuid"`
	Address   string    `json:"address"`
	Main      bool      `json:"main"`
	Confirmed bool      `json:"confirmed"`
}

// Users makes and changes users.
type Users struct {
	pool     *pgxpool.Pool
	q        *db.Queries
	hasher   Hasher
	sessions Sessions
	methods  KnownMethods
	throttle Throttle // nil: every attempt is admitted
	wake     func()
}

// NewUsers makes the service. methods may be nil where no request is served. wake tells the relays, after a commit, that
// lifetimes or events are due.
func NewUsers(pool *pgxpool.Pool, hasher Hasher, sessions Sessions, methods KnownMethods, wake func()) *Users {
	return &Users{pool: pool, q: db.New(), hasher: hasher, sessions: sessions, methods: methods, wake: wake}
}

// Get is a user of a tenant or below it; else fault.NotFound (identity.md section 6).
func (u *Users) Get(ctx context.Context, scope, user uuid.UUID) (User, error) {
	var r db.UserGetRow
	err := db.Retry(ctx, func() (err error) {
		r, err = u.q.UserGet(ctx, u.pool, db.UserGetParams{UUID: user, Scope: scope})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return User{}, fault.UnknownUser(user.String())
	}
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	emails, err := readEmails(r.Emails)
	return User{UUID: r.UUID, Tenant: r.TenantUUID, Username: r.Username, Firstname: r.Firstname, Lastname: r.Lastname, Purpose: r.Purpose,
		Method: r.AuthenticationMethod, Enabled: r.Enabled, Emails: emails}, err
}

// readEmails reads addresses as the queries aggregate them.
func readEmails(text []byte) ([]Email, error) {
	emails := []Email{}
	if err := json.Unmarshal(text, &emails); err != nil {
		return nil, fmt.Errorf("read addresses of a user: %w", err)
	}
	return emails, nil
}

// lockIn holds a user's row until the end of the transaction. With a scope, the user must be in that tenant or below it:
// else fault.NotFound.
func (u *Users) lockIn(ctx context.Context, tx pgx.Tx, scope *uuid.UUID, user uuid.UUID) (db.UserLockInRow, error) {
	r, err := u.q.UserLockIn(ctx, tx, db.UserLockInParams{UUID: user, Scope: scope})
	if errors.Is(err, pgx.ErrNoRows) {
		return r, fault.UnknownUser(user.String())
	}
	if err != nil {
		return r, fmt.Errorf("lock user: %w", err)
	}
	return r, nil
}
