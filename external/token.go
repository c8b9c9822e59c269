package external

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/fault"
)

// Token is an access token of another service, as clients get it: never its refresh token.
type Token struct {
	Scope       []string `json:"scope"`
	AccessToken string   `json:"access_token"`
	// Expiration is in epoch seconds.
	Expiration int64 `json:"token_expiration"`
}

const (
	// freshFor is how long a token must be good for, or it is renewed before it is given out.
	freshFor = 30 * time.Second
	// renewalTime is how long somebody may take to renew a token before another one tries.
	renewalTime = exchangeTimeout + time.Second
	// look is the pause of those who wait for the renewal of somebody else.
	look = 50 * time.Millisecond
)

// Token gives the access token of a user, renewed if it expires within 30 s; tenant is asked for only then, whose
// configuration counts (external.md section 8.3). Of requests that come together one renews, in whatever process.
func (s *Service) Token(ctx context.Context, w Whose, tenant func() (uuid.UUID, error)) (Token, error) {
	a, err := s.get(ctx, w)
	if err != nil {
		return Token{}, err
	}
	g, err := openGrant(a, w)
	if err != nil || fresh(g) {
		return shown(g), err
	}
	of, err := tenant()
	if err != nil {
		return Token{}, err
	}
	config, err := s.Config(ctx, of, w.Type)
	if err != nil {
		return Token{}, err
	}
	c, err := clientOf(config, w.Type)
	if err != nil {
		return Token{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*renewalTime)
	defer cancel()
	for first := a.version; ; {
		if a.version != first { // somebody renewed it, or a consent arrived
			g, err := openGrant(a, w)
			return shown(g), err
		}
		mine, err := s.claim(ctx, w, a.version)
		if err != nil {
			return Token{}, err
		}
		if mine {
			if g, err = s.renewed(ctx, w, a, c); err != nil {
				return Token{}, fmt.Errorf("renew the %s token of user %s: %w", w.Type, w.User, err)
			}
			return shown(g), nil
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return Token{}, fmt.Errorf("wait for the renewal of a %s token: %w", w.Type, errRefused)
		}
		if a, err = s.get(ctx, w); err != nil {
			return Token{}, err
		}
	}
}

func (s *Service) claim(ctx context.Context, w Whose, version uuid.UUID) (bool, error) {
	var n int64
	err := db.Retry(ctx, func() (err error) {
		n, err = s.q.ExternalAccountClaim(ctx, s.d.Pool, db.ExternalAccountClaimParams{UserUUID: w.User, Type: w.Type, Version: version, Seconds: renewalTime.Seconds()})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("claim the renewal of a token: %w", err)
	}
	return n > 0, nil
}

// renewed renews and stores what is still as it was read. What a consent stored meanwhile counts instead.
func (s *Service) renewed(ctx context.Context, w Whose, a account, c client) (grant, error) {
	g, err := openGrant(a, w)
	if err == nil {
		g, err = s.renew(ctx, s.d.Providers[w.Type], c, g)
	}
	if err != nil {
		released, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := s.q.ExternalAccountRelease(released, s.d.Pool, db.ExternalAccountReleaseParams{UserUUID: w.User, Type: w.Type, Version: a.version}); err != nil {
			s.d.Log.WarnContext(ctx, "the claim of a renewal could not be given back; it will run out", "error", err)
		}
		if ctx.Err() != nil {
			err = errRefused // not an outage of ours
		}
		return grant{}, err
	}
	data, err := json.Marshal(g)
	if err != nil {
		return grant{}, fmt.Errorf("encode a token: %w", err)
	}
	changed := false
	err = s.change(ctx, w, func(tx pgx.Tx, tenant uuid.UUID) (err error) {
		changed, err = s.updateIn(ctx, tx, w, tenant, data, &a.version, "renewed")
		return err
	})
	if err != nil || changed {
		return g, err
	}
	now, err := s.get(ctx, w)
	if err != nil {
		return grant{}, err
	}
	return openGrant(now, w)
}

func fresh(g grant) bool {
	return g.Expiration != nil && *g.Expiration >= time.Now().Add(freshFor).Unix()
}

func shown(g grant) Token {
	t := Token{Scope: g.Scope, AccessToken: g.AccessToken}
	if t.Scope == nil {
		t.Scope = []string{}
	}
	if g.Expiration != nil {
		t.Expiration = *g.Expiration
	}
	return t
}

func openGrant(a account, w Whose) (grant, error) {
	var g grant
	if json.Unmarshal(a.data, &g) != nil { // the cause may quote a secret
		return grant{}, fmt.Errorf("the %s account of user %s is not readable", w.Type, w.User)
	}
	return g, nil
}

// SenderID is the fcm_sender_id of a tenant's configuration of mobile, a JSON value, null without one; fault.NotFound
// without a configuration, and for a user outside the scope. An unknown user is nobody's (external.md section 7).
func (s *Service) SenderID(ctx context.Context, w Whose, tenant uuid.UUID) (json.RawMessage, error) {
	if _, exists, err := s.visible(ctx, w); err != nil && (exists || !unknownUser(err)) {
		return nil, err
	}
	config, err := s.Config(ctx, tenant, Mobile)
	if f, ok := fault.As(err); ok && f.ID == "unknown-config" {
		return nil, noConfig(Mobile)
	}
	if err != nil {
		return nil, err
	}
	var c map[string]json.RawMessage
	_ = json.Unmarshal(config, &c) // what is no object has none
	if id := c["fcm_sender_id"]; id != nil {
		return id, nil
	}
	return json.RawMessage("null"), nil
}
