package token

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/tracing"
	"github.com/xivo-auth/xivo-auth/trail"
)

// The kinds of tokens. What a token is, is its kind, never its auth id.
const (
	KindUser        = "user"
	KindService     = "service"
	KindMailConfirm = "mail_confirm"
	KindMailReset   = "mail_reset"
)

// InternalAuthID owns the tokens that the service makes for itself (tokens.md section 17).
const InternalAuthID = "wazo-auth"

// Limits of tokens.md section 3 and of ours.
const (
	MinLifetime = time.Second
	MaxLifetime = 315_360_000 * time.Second // ten years of 365 days
	// maxAccesses bounds what one access list may hold.
	maxAccesses = 20_000
)

// Reasons why a session ends before its time; the workflow's outcome names them.
const (
	ReasonLogout          = "logout"
	ReasonSessionDeleted  = "session deleted"
	ReasonReplaced        = "replaced"
	ReasonPasswordChanged = "password changed"
	ReasonUserDisabled    = "user disabled"
	ReasonUserDeleted     = "user deleted"
)

// Sources finds who decides about a login.
type Sources interface {
	For(ctx context.Context, r *backends.Request) backends.Provider
	ByMethod(method string) (backends.Provider, error)
}

// Sealer closes and opens refresh tokens at rest. Additional data bind a sealed value to its row.
type Sealer interface {
	Seal(plaintext, aad []byte) (sealed []byte, keyID string, err error)
	Open(sealed []byte, keyID string, aad []byte) ([]byte, error)
}

// Throttle admits attempts with a password, or refuses them with fault.Exhausted before the password is looked at. done is
// called once, with false if the attempt failed.
type Throttle interface {
	Begin(ctx context.Context, login, address string) (done func(ok bool), err error)
}

// Deps are what the service works with.
type Deps struct {
	Pool    *pgxpool.Pool
	Sources Sources
	Sealer  Sealer
	Log     *slog.Logger
	// Throttle may be nil: every attempt is admitted.
	Throttle Throttle
	// Wake tells the relays, without waiting, that something is due. It is called after commits only.
	Wake func()
	// DefaultLifetime is a token's when the request names none.
	DefaultLifetime time.Duration
	// Events may be nil: there is no bus.
	Events Events
	// Notice is how long before its expiry "expires soon" is told of a login that lives longer; 0 means never.
	Notice time.Duration
	// MaxSessions is how many live sessions a user of purpose user or external_api may have.
	MaxSessions int
}

// Service issues and ends tokens and keeps refresh tokens.
type Service struct {
	d        Deps
	q        *db.Queries
	refusals *trail.Refusals
}

// New makes the service.
func New(d Deps) *Service {
	d.Events = orNoBus(d.Events)
	return &Service{d: d, q: db.New(), refusals: trail.NewRefusals(d.Pool)}
}

// Token is a live token as its owner may see it (tokens.md section 2). It does not hold the secret.
type Token struct {
	Session               uuid.UUID
	Kind                  string
	AuthID                string
	Metadata              map[string]any
	AccessList            []string
	RemoteAddr, UserAgent string
	IssuedAt, ExpiresAt   time.Time
}

// Get reads a whole token.
func (s *Service) Get(ctx context.Context, secret string) (Token, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	h := Hash(secret)
	var r db.TokenGetRow
	err := db.Retry(ctx, func() (err error) {
		r, err = s.q.TokenGet(ctx, s.d.Pool, h[:])
		return err
	})
	if err != nil {
		if noRows(err) {
			return Token{}, ErrNoSuchToken()
		}
		return Token{}, cannotTell(err)
	}
	t := Token{Session: r.SessionUUID, Kind: r.Kind, AuthID: r.AuthID, AccessList: r.Entries, RemoteAddr: r.RemoteAddr,
		UserAgent: r.UserAgent, IssuedAt: r.IssuedAt, ExpiresAt: r.ExpiresAt}
	if err := json.Unmarshal(r.Metadata, &t.Metadata); err != nil {
		return Token{}, fmt.Errorf("read metadata of session %s: %w", r.SessionUUID, err)
	}
	return t, nil
}

// end owes the end of the lifetimes of sessions that were just deleted, in the same transaction.
func (s *Service) end(ctx context.Context, tx pgx.Tx, sessions []uuid.UUID, reason string) error {
	if len(sessions) == 0 {
		return nil
	}
	// A revocation that was answered must survive a crash, whatever the database's default is.
	if err := s.q.TokenCommitDurably(ctx, tx); err != nil {
		return fmt.Errorf("revoke durably: %w", err)
	}
	if err := s.q.LifetimeDueEnd(ctx, tx, db.LifetimeDueEndParams{Sessions: sessions, Reason: reason, Traceparent: tracing.Traceparent(ctx)}); err != nil {
		return fmt.Errorf("owe the end of lifetimes: %w", err)
	}
	return nil
}
