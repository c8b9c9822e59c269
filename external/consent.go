package external

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/trail"
)

const (
	// openTime is how long a request waits until a worker listens for its consent.
	openTime = 3 * time.Second
	// consentsPerUser are waited for at a time; the oldest one ends when there are more.
	consentsPerUser = 10
	// stateLength is that of a state, in letters and digits.
	stateLength = 30
	// MaxState is the longest state that a plug-in may name, in bytes.
	MaxState = 512
)

// Consent is where a person agrees, and the secret that the agreement comes back with.
type Consent struct {
	URL   string `json:"authorization_url"`
	State string `json:"state"`
}

// StartConsent begins to wait for a user's consent (external.md section 8.1): with the configuration of a tenant, for some
// scopes or those of the configuration. It returns when a worker listens for it, or after 3 s.
func (s *Service) StartConsent(ctx context.Context, w Whose, tenant uuid.UUID, scopes []string) (Consent, error) {
	config, err := s.Config(ctx, tenant, w.Type)
	if err != nil {
		return Consent{}, err
	}
	c, err := clientOf(config, w.Type)
	if err != nil {
		return Consent{}, err
	}
	p := s.d.Providers[w.Type]
	if len(scopes) == 0 {
		scopes = p.Scope
	}
	state := randomState()
	address, err := p.authorization(c, state, scopes)
	if err != nil {
		return Consent{}, err
	}
	id := uuid.New()
	err = s.change(ctx, w, func(tx pgx.Tx, _ uuid.UUID) error { return s.awaitIn(ctx, tx, id, w, tenant, state) })
	if err != nil {
		return Consent{}, err
	}
	s.awaitOpen(ctx, id)
	return Consent{URL: address, State: state}, nil
}

// authorization is the page where a person agrees.
func (p Provider) authorization(c client, state string, scopes []string) (string, error) {
	u, err := url.Parse(p.AuthorizationURL)
	if err != nil {
		return "", fmt.Errorf("authorization_base_url: %w", err)
	}
	v := u.Query()
	v.Set("response_type", "code")
	v.Set("client_id", c.ID)
	v.Set("redirect_uri", p.RedirectURI)
	v.Set("scope", strings.Join(scopes, " "))
	v.Set("state", state)
	if p.Offline {
		v.Set("access_type", "offline")
		v.Set("prompt", "consent")
	}
	u.RawQuery = v.Encode()
	return u.String(), nil
}

// Prepare stores what the plug-in of a type makes of a body, for a user who has nothing, and begins to wait for a consent if
// the plug-in names a state. It gives what was stored.
func (s *Service) Prepare(ctx context.Context, w Whose, body json.RawMessage) (json.RawMessage, error) {
	tenant, _, err := s.visible(ctx, w)
	if err != nil {
		return nil, err
	}
	data, state, err := s.d.Plugins[w.Type].Prepare(ctx, w.User, tenant, body)
	if err != nil {
		return nil, err
	}
	if len(state) > MaxState {
		return nil, fmt.Errorf("the plug-in of %s names a state of %d bytes, more than %d", w.Type, len(state), MaxState)
	}
	id := uuid.New()
	err = s.change(ctx, w, func(tx pgx.Tx, tenant uuid.UUID) error {
		if state != "" {
			if err := s.awaitIn(ctx, tx, id, w, tenant, state); err != nil {
				return err
			}
		}
		return s.createIn(ctx, tx, w, tenant, data)
	})
	if err != nil {
		return nil, err
	}
	if state != "" {
		s.awaitOpen(ctx, id)
	}
	return data, nil
}

// awaitIn makes the row of a consent to wait for, in a transaction that holds the user's row.
func (s *Service) awaitIn(ctx context.Context, tx pgx.Tx, id uuid.UUID, w Whose, tenant uuid.UUID, state string) error {
	n, err := s.q.ExternalConsentRoom(ctx, tx)
	if err != nil {
		return fmt.Errorf("count consents: %w", err)
	}
	if n >= int64(s.d.MaxConsents) {
		full := fault.Historic(fault.Unavailable, "Too many consents are waited for")
		full.RetryAfter = time.Minute
		return full
	}
	if _, err := s.q.ExternalConsentEvict(ctx, tx, db.ExternalConsentEvictParams{UserUUID: w.User, Kept: consentsPerUser - 1}); err != nil {
		return fmt.Errorf("end old consents of a user: %w", err)
	}
	sealed, keyID, err := s.d.Sealer.Seal([]byte(state), consentPart(id, "state"))
	if err != nil {
		return fmt.Errorf("seal the state of a consent: %w", err)
	}
	err = s.q.ExternalConsentAdd(ctx, tx, db.ExternalConsentAddParams{UUID: id, UserUUID: w.User, TenantUUID: tenant, Type: w.Type,
		State: sealed, StateKey: &keyID, Seconds: s.d.ConsentTimeout.Seconds()})
	if err != nil {
		return fmt.Errorf("write a consent: %w", err)
	}
	return trail.Add(ctx, tx, trail.Entry{Action: "external_consent started", Subject: &w.User, Tenant: &tenant,
		Details: map[string]any{"type": w.Type, "consent_uuid": id.String()}})
}

// awaitOpen returns when a worker listens for a consent, or after a while: then the person may come too early, no more.
func (s *Service) awaitOpen(ctx context.Context, id uuid.UUID) {
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	for wait := 15 * time.Millisecond; ; wait = min(wait*5/4, 150*time.Millisecond) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		status, err := s.q.ExternalConsentStatus(ctx, s.d.Pool, id)
		if err == nil && status != statusDue || none(err) {
			return
		}
	}
}

// randomState is unguessable: 30 letters and digits.
func randomState() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	var b strings.Builder
	for range stateLength {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil { // never: see crypto/rand
			panic(err)
		}
		b.WriteByte(letters[n.Int64()])
	}
	return b.String()
}

// SweepConsents deletes consents that were over long ago, at most limit, and tells how many.
func SweepConsents(ctx context.Context, pool db.DBTX, limit int) (int, error) {
	n, err := db.New().ExternalConsentSweep(ctx, pool, int32(limit)) //nolint:gosec // a small limit
	if err != nil {
		return 0, fmt.Errorf("sweep consents: %w", err)
	}
	return int(n), nil
}

// consentPart is the place that a sealed part of a consent is bound to.
func consentPart(id uuid.UUID, part string) []byte {
	return seal.AAD("external_consents", id.String(), "", part)
}

// Statuses of a consent's row.
const (
	statusDue  = "due"
	statusOver = "over"
)

// authorized is told when the callback of a plug-in was done with a consent.
func authorized(w Whose, tenant uuid.UUID) events.Event {
	return events.UserExternalAuthAuthorized{User: w.User, Type: w.Type, Tenant: tenant}
}
