package client

import (
	"context"
	"errors"
	"net/http"
)

// External are users' accounts with other services.
type External struct{ c *Client }

// PushTokens are those of a user's phone; nil for none.
type PushTokens struct {
	Token                 *string `json:"token"`
	APNSToken             *string `json:"apns_token"`
	APNSVoIPToken         *string `json:"apns_voip_token"`
	APNSNotificationToken *string `json:"apns_notification_token"`
	APNSCallTopic         *string `json:"apns_call_topic"`
	APNSDefaultTopic      *string `json:"apns_default_topic"`
}

// ExternalToken is an access token of google or microsoft.
type ExternalToken struct {
	Scope       []string `json:"scope"`
	AccessToken string   `json:"access_token"`
	// Expiration is in seconds since 1970.
	Expiration int64 `json:"token_expiration"`
}

// Consent is where a user agrees to link an account.
type Consent struct {
	AuthorizationURL string `json:"authorization_url"`
	// State is a secret.
	State string `json:"state"`
}

// Token is a user's access token of a type, google or microsoft; the server renews it first if it is about to expire.
func (e External) Token(ctx context.Context, user, typ string) (ExternalToken, error) {
	var out ExternalToken
	err := e.c.do(ctx, call{method: http.MethodGet, path: path("users", user, "external", typ)}, &out)
	return out, err
}

// Link begins to link a user's account of a type. The consent may be given when it returns; Token succeeds soon after that.
func (e External) Link(ctx context.Context, user, typ string, scopes ...string) (Consent, error) {
	var out Consent
	err := e.c.do(ctx, call{method: http.MethodPost, path: path("users", user, "external", typ), body: map[string]any{"scope": append([]string{}, scopes...)}}, &out)
	return out, err
}

// Unlink forgets what is kept of a user for a type.
func (e External) Unlink(ctx context.Context, user, typ string) error {
	return e.c.do(ctx, call{method: http.MethodDelete, path: path("users", user, "external", typ)}, nil)
}

// PushTokens are those of a user's phone.
func (e External) PushTokens(ctx context.Context, user string) (PushTokens, error) {
	var out PushTokens
	err := e.c.do(ctx, call{method: http.MethodGet, path: path("users", user, "external", "mobile")}, &out)
	return out, err
}

// SetPushTokens replaces those of a user's phone.
func (e External) SetPushTokens(ctx context.Context, user string, tokens PushTokens) error {
	return e.c.do(ctx, call{method: http.MethodPut, path: path("users", user, "external", "mobile"), body: tokens}, nil)
}

// SetConfig makes a value the configuration of the tenant for a type, whether there is one or not.
func (e External) SetConfig(ctx context.Context, typ string, value any) error {
	err := e.c.do(ctx, call{method: http.MethodPost, path: path("external", typ, "config"), body: value}, nil)
	var failed *Error
	if errors.As(err, &failed) && failed.StatusCode == http.StatusConflict {
		return e.c.do(ctx, call{method: http.MethodPut, path: path("external", typ, "config"), body: value}, nil)
	}
	return err
}
