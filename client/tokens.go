package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// Tokens are issued, checked and ended here.
type Tokens struct{ c *Client }

// Token is what its owner may know of it.
type Token struct {
	Token        string         `json:"token"`
	Session      string         `json:"session_uuid"`
	AuthID       string         `json:"auth_id"`
	User         *string        `json:"xivo_user_uuid"`
	ACL          []string       `json:"acl"`
	Metadata     map[string]any `json:"metadata"`
	IssuedAt     string         `json:"utc_issued_at"`
	ExpiresAt    string         `json:"utc_expires_at"`
	RemoteAddr   string         `json:"remote_addr"`
	UserAgent    string         `json:"user_agent"`
	RefreshToken string         `json:"refresh_token,omitempty"`
}

// Credentials are what a login is made with: a name and a password, or a refresh token.
type Credentials struct {
	Username, Password string
	RefreshToken       string
	// ClientID goes with RefreshToken, or with Offline.
	ClientID string
	// Offline asks for a refresh token.
	Offline bool
	// Mobile makes a mobile session.
	Mobile bool
	// Expiration in seconds; 0 is the server's default.
	Expiration int
	// Backend, Tenant and Domain choose who decides about the login; mostly empty.
	Backend, Tenant, Domain string
}

// New logs in.
func (t Tokens) New(ctx context.Context, k Credentials) (Token, error) {
	body := map[string]any{}
	for name, text := range map[string]string{"refresh_token": k.RefreshToken, "client_id": k.ClientID, "backend": k.Backend,
		"tenant_id": k.Tenant, "domain_name": k.Domain} {
		if text != "" {
			body[name] = text
		}
	}
	if k.Expiration > 0 {
		body["expiration"] = k.Expiration
	}
	if k.Offline {
		body["access_type"] = "offline"
	}
	r := call{method: http.MethodPost, path: "/token", body: body, user: k.Username, password: k.Password, basic: k.RefreshToken == ""}
	if k.Mobile {
		r.header = http.Header{"Wazo-Session-Type": {"mobile"}}
	}
	return t.data(ctx, r)
}

// Get looks at a token.
func (t Tokens) Get(ctx context.Context, token string) (Token, error) {
	return t.data(ctx, call{method: http.MethodGet, path: path("token", token)})
}

func (t Tokens) data(ctx context.Context, r call) (Token, error) {
	var body struct {
		Data Token `json:"data"`
	}
	err := t.c.do(ctx, r, &body)
	return body.Data, err
}

// CheckOptions are what a token must be good for; empty fields ask nothing.
type CheckOptions struct{ Scope, Tenant string }

// Check tells whether a token is alive and good for something. An error means that it cannot be told.
func (t Tokens) Check(ctx context.Context, token string, o CheckOptions) (bool, error) {
	q := url.Values{}
	if o.Scope != "" {
		q.Set("scope", o.Scope)
	}
	if o.Tenant != "" {
		q.Set("tenant", o.Tenant)
	}
	err := t.c.do(ctx, call{method: http.MethodHead, path: path("token", token), query: q, only: http.StatusNoContent}, nil)
	var refused *Error
	if errors.As(err, &refused) && (refused.StatusCode == http.StatusNotFound || refused.StatusCode == http.StatusForbidden) {
		return false, nil
	}
	return err == nil, err
}

// CheckScopes tells of each access whether a token has it.
func (t Tokens) CheckScopes(ctx context.Context, token string, scopes []string, tenant string) (map[string]bool, error) {
	body := map[string]any{"scopes": scopes}
	if tenant != "" {
		body["tenant_uuid"] = tenant
	}
	var out struct {
		Scopes map[string]bool `json:"scopes"`
	}
	err := t.c.do(ctx, call{method: http.MethodPost, path: path("token", token, "scopes", "check"), body: body}, &out)
	return out.Scopes, err
}

// Revoke ends a token; one that is gone already is no error.
func (t Tokens) Revoke(ctx context.Context, token string) error {
	return t.c.do(ctx, call{method: http.MethodDelete, path: path("token", token)}, nil)
}

// RefreshTokens buy new tokens without a password.
type RefreshTokens struct{ c *Client }

// RefreshToken is what may be told of one.
type RefreshToken struct {
	ClientID  string         `json:"client_id"`
	CreatedAt string         `json:"created_at"`
	Mobile    bool           `json:"mobile"`
	User      string         `json:"user_uuid"`
	Tenant    string         `json:"tenant_uuid"`
	Metadata  map[string]any `json:"metadata"`
}

// List lists those of the tenant's users.
func (r RefreshTokens) List(ctx context.Context, o ListOptions) (Page[RefreshToken], error) {
	return list[RefreshToken](ctx, r.c, "/tokens", o)
}

// ListOf lists those of a user; "me" is the user of the client's token.
func (r RefreshTokens) ListOf(ctx context.Context, user string, o ListOptions) (Page[RefreshToken], error) {
	return list[RefreshToken](ctx, r.c, path("users", user, "tokens"), o)
}

// Delete takes a client's refresh token away; "me" is the user of the client's token.
func (r RefreshTokens) Delete(ctx context.Context, user, clientID string) error {
	return r.c.do(ctx, call{method: http.MethodDelete, path: path("users", user, "tokens", clientID)}, nil)
}

// Sessions are the public faces of tokens.
type Sessions struct{ c *Client }

// Session is one of them.
type Session struct {
	UUID   string  `json:"uuid"`
	User   *string `json:"user_uuid"`
	Tenant string  `json:"tenant_uuid"`
	Mobile bool    `json:"mobile"`
}

// List lists the tenant's sessions.
func (s Sessions) List(ctx context.Context, o ListOptions) (Page[Session], error) {
	return list[Session](ctx, s.c, "/sessions", o)
}

// ListOf lists the sessions of a user.
func (s Sessions) ListOf(ctx context.Context, user string, o ListOptions) (Page[Session], error) {
	return list[Session](ctx, s.c, path("users", user, "sessions"), o)
}

// Delete ends a session and its token; one that is gone already is no error.
func (s Sessions) Delete(ctx context.Context, session string) error {
	return s.c.do(ctx, call{method: http.MethodDelete, path: path("sessions", session)}, nil)
}

// DeleteOf ends a session of a user.
func (s Sessions) DeleteOf(ctx context.Context, user, session string) error {
	return s.c.do(ctx, call{method: http.MethodDelete, path: path("users", user, "sessions", session)}, nil)
}
