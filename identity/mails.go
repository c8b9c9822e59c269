package identity

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/mail"
)

// Link is where the links of a mail lead to.
type Link = mail.Link

// MailTokens makes the tokens of mails inside the caller's transaction.
type MailTokens interface {
	IssueMailReset(ctx context.Context, tx pgx.Tx, user uuid.UUID, lifetime time.Duration) (secret string, err error)
	IssueMailConfirm(ctx context.Context, tx pgx.Tx, user, email uuid.UUID, lifetime time.Duration) (secret string, err error)
}

// MailDeps are what the service works with.
type MailDeps struct {
	Pool    *pgxpool.Pool
	Users   *Users
	Tokens  MailTokens
	Tenants *Tenants
	Driver  mail.Driver
	// ResetLifetime and ConfirmLifetime are those of the tokens in mails.
	ResetLifetime, ConfirmLifetime time.Duration
	// PerRecipient and PerAddress are how many mails one recipient gets, and one client address causes, in an hour; 0: any.
	PerRecipient, PerAddress int
	// Wake tells the relays, after a commit, that lifetimes or events are due.
	Wake func()
	// Count counts mails by kind (confirmation, reset) and outcome (sent, failed, limited).
	Count func(kind, outcome string)
	Log   *slog.Logger
}

// Mails is what users do by mail: confirm an address, set a new password, register.
type Mails struct {
	d MailDeps
	q *db.Queries
	// registrations run at a time, each with a connection of the pool while its mail is on the way.
	registrations chan struct{}
}

// maxRegistrations leaves the pool, of ten connections at least, to others.
const maxRegistrations = 4

// NewMails makes the service.
func NewMails(d MailDeps) *Mails {
	return &Mails{d: d, q: db.New(), registrations: make(chan struct{}, maxRegistrations)}
}

// The kinds of mails and what became of them.
const (
	kindReset        = "reset"
	kindConfirmation = "confirmation"

	outcomeSent    = "sent"
	outcomeFailed  = "failed"
	outcomeLimited = "limited"
)

// sent counts a delivery and passes its error on.
func (m *Mails) sent(kind string, err error) error {
	outcome := outcomeSent
	if err != nil {
		outcome = outcomeFailed
	}
	m.d.Count(kind, outcome)
	return err
}
