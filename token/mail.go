package token

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
)

// mark notes for whose mail a token was made.
func (s *Service) mark(ctx context.Context, tx pgx.Tx, session uuid.UUID, subject *uuid.UUID) error {
	if subject == nil {
		return nil
	}
	if err := s.q.MailTokenMark(ctx, tx, db.MailTokenMarkParams{SubjectUUID: subject, SessionUUID: session}); err != nil {
		return fmt.Errorf("mark a mailed token: %w", err)
	}
	return nil
}

// RevokeResetsIn ends all reset mails of a user inside the caller's transaction, which holds the user's row, and gives
// their sessions. The caller calls Wake after its commit.
func (s *Service) RevokeResetsIn(ctx context.Context, tx pgx.Tx, user uuid.UUID) ([]uuid.UUID, error) {
	sessions, err := s.q.MailTokenDeleteResets(ctx, tx, user)
	if err != nil {
		return nil, fmt.Errorf("end reset mails of a user: %w", err)
	}
	return sessions, s.end(ctx, tx, sessions, ReasonPasswordChanged)
}

// RevokeMailsIn ends the tokens of all mails of a user, who is about to be deleted, inside the caller's transaction, which
// holds the user's row, and tells how many. The caller calls Wake after its commit.
func (s *Service) RevokeMailsIn(ctx context.Context, tx pgx.Tx, user uuid.UUID, reason string) (int, error) {
	sessions, err := s.q.MailTokenDeleteAll(ctx, tx, user)
	if err != nil {
		return 0, fmt.Errorf("end mails of a user: %w", err)
	}
	return len(sessions), s.end(ctx, tx, sessions, reason)
}

// mailAgent is what tokens of mails show as their user agent (tokens.md section 17).
const mailAgent = "wazo-auth-email-reset"

// IssueMailReset makes the token of a reset mail inside the caller's transaction: it may set the user's password, once. The
// caller calls Wake after its commit.
func (s *Service) IssueMailReset(ctx context.Context, tx pgx.Tx, user uuid.UUID, lifetime time.Duration) (secret string, err error) {
	made, err := s.IssueInternal(ctx, tx, Internal{Kind: KindMailReset, Accesses: []string{"auth.users.password.reset." + user.String() + ".create"},
		Lifetime: lifetime, UserAgent: mailAgent, Subject: &user})
	return made.Secret, err
}

// IssueMailConfirm makes the token of a confirmation mail inside the caller's transaction: it may confirm the address, as
// often as it likes. The caller calls Wake after its commit.
func (s *Service) IssueMailConfirm(ctx context.Context, tx pgx.Tx, user, email uuid.UUID, lifetime time.Duration) (secret string, err error) {
	made, err := s.IssueInternal(ctx, tx, Internal{Kind: KindMailConfirm, Accesses: []string{"auth.emails." + email.String() + ".confirm.edit"},
		Lifetime: lifetime, UserAgent: mailAgent, Subject: &user})
	return made.Secret, err
}
