package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/trail"
)

// attempts at a provider that cannot be reached, and at a database that cannot, once there is something to store.
const (
	exchangeAttempts = 3
	storeAttempts    = 6
)

// settle does what a message leads to and gives the outcome.
func (s *Service) settle(ctx context.Context, c *pending) (string, error) {
	var err error
	if p, provided := s.d.Providers[c.w.Type]; provided {
		err = s.link(ctx, c, p)
	} else {
		err = s.callBack(ctx, c)
	}
	switch {
	case err == nil:
		return OutcomeStored, nil
	case ctx.Err() != nil:
		return "", fmt.Errorf("settle a consent: %w", ctx.Err())
	case errors.Is(err, errEnded):
		return OutcomeStored, nil // by an earlier attempt; End tells if it was not
	case unavailable(err):
		return "", err
	}
	if f, ok := fault.As(err); ok && f.ID == "unknown-user" {
		return OutcomeGone, nil
	}
	s.d.Log.WarnContext(ctx, "a consent led to nothing", "consent_uuid", c.id, "type", c.w.Type, "user_uuid", c.w.User, "error", scrubbed(err, c.state))
	return OutcomeFailed, nil
}

// link exchanges a code and stores the tokens.
func (s *Service) link(ctx context.Context, c *pending, p Provider) error {
	config, err := s.Config(ctx, c.tenant, c.w.Type)
	if err != nil {
		return err
	}
	known, err := clientOf(config, c.w.Type)
	if err != nil {
		return err
	}
	var g grant
	for n := range exchangeAttempts {
		if g, err = s.exchange(ctx, p, known, codeOf(c.message)); err == nil || errors.Is(err, errRefused) || n == exchangeAttempts-1 {
			break
		}
		if err := pause(ctx, time.Duration(n+1)*shortPause); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("exchange the code: %w", err)
	}
	data, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode a token: %w", err)
	}
	return s.store(ctx, c, func(tx pgx.Tx, tenant uuid.UUID) error { return s.putIn(ctx, tx, c.w, tenant, data) })
}

// callBack hands the message to the plug-in of the type, stores what it gives, and tells that it was authorized.
func (s *Service) callBack(ctx context.Context, c *pending) error {
	plugin := s.d.Plugins[c.w.Type]
	if plugin == nil {
		return fmt.Errorf("no plug-in of type %s is loaded here", c.w.Type)
	}
	tenant, _, err := s.visible(ctx, c.w)
	if err != nil {
		return err
	}
	a, err := s.get(ctx, c.w)
	if err != nil && !unknownUser(err) {
		return err
	}
	data, err := plugin.Authorized(ctx, c.w.User, tenant, a.data, c.message)
	if err != nil {
		return fmt.Errorf("the plug-in failed: %w", err)
	}
	return s.store(ctx, c, func(tx pgx.Tx, tenant uuid.UUID) error {
		if data != nil {
			changed, err := s.updateIn(ctx, tx, c.w, tenant, data, nil, "updated")
			if err != nil {
				return err
			}
			if !changed {
				return noAccount(c.w.Type)
			}
		}
		return s.tell(ctx, tx, c.w, tenant, "authorized", authorized(c.w, tenant))
	})
}

// store ends a consent as stored and does what it leads to, in one transaction that is on disk when it returns: the code
// is spent.
func (s *Service) store(ctx context.Context, c *pending, do func(tx pgx.Tx, tenant uuid.UUID) error) error {
	outcome := OutcomeStored
	var err error
	for n := range storeAttempts {
		err = s.change(ctx, c.w, func(tx pgx.Tx, tenant uuid.UUID) error {
			if err := s.q.TokenCommitDurably(ctx, tx); err != nil {
				return fmt.Errorf("commit durably: %w", err)
			}
			ended, err := s.q.ExternalConsentEnd(ctx, tx, db.ExternalConsentEndParams{UUID: c.id, Outcome: &outcome})
			if err != nil {
				return fmt.Errorf("end a consent: %w", err)
			}
			if ended == 0 {
				return errEnded
			}
			if err := do(tx, tenant); err != nil {
				return err
			}
			return trail.Add(ctx, tx, trail.Entry{Action: "external_consent stored", Subject: &c.w.User, Tenant: &tenant,
				Details: map[string]any{"type": c.w.Type, "consent_uuid": c.id.String()}})
		})
		if err == nil || !unavailable(err) {
			return err
		}
		if wait := pause(ctx, time.Duration(n+1)*shortPause); wait != nil {
			return wait
		}
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
