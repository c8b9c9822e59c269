package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// exchangeTimeout bounds one call of a provider.
	exchangeTimeout = 4 * time.Second
	// maxAnswer is the longest answer of a provider that is read, in bytes.
	maxAnswer = 256 << 10
	// maxLifetime keeps the sum of now and what a provider says within bounds.
	maxLifetime = 100 * 365 * 24 * 3600
)

// errRefused is a provider's answer that is none of use.
var errRefused = errors.New("the provider gave no token")

// grant is what is stored of a user of google or microsoft.
type grant struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	// Expiration is in epoch seconds; nil in data that do not say.
	Expiration *int64   `json:"token_expiration"`
	Scope      []string `json:"scope"`
}

// client is the part of a configuration that providers know us by.
type client struct{ ID, Secret string }

func clientOf(config json.RawMessage, typ string) (client, error) {
	var c struct {
		ID     *string `json:"client_id"`
		Secret string  `json:"client_secret"`
	}
	if json.Unmarshal(config, &c) != nil || c.ID == nil { // the cause may quote a secret
		return client{}, fmt.Errorf("the configuration of %s is no object with client_id and client_secret", typ)
	}
	return client{*c.ID, c.Secret}, nil
}

// exchange turns a code into tokens.
func (s *Service) exchange(ctx context.Context, p Provider, c client, code string) (grant, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.RedirectURI}}
	g, err := s.askForToken(ctx, p.TokenURL, form, &c)
	if err == nil && g.RefreshToken == "" {
		err = fmt.Errorf("%w: no refresh_token", errRefused)
	}
	return g, err
}

// renew turns a refresh token into a new access token. A provider that gives no new refresh token leaves the old one valid.
func (s *Service) renew(ctx context.Context, p Provider, c client, old grant) (grant, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {c.ID}, "client_secret": {c.Secret}, "refresh_token": {old.RefreshToken}}
	g, err := s.askForToken(ctx, p.TokenURL, form, nil)
	if err == nil && g.RefreshToken == "" {
		g.RefreshToken = old.RefreshToken
	}
	return g, err
}

// askForToken asks a token end point. Errors hold nothing that was sent or received but names of members.
func (s *Service) askForToken(ctx context.Context, address string, form url.Values, basic *client) (grant, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return grant{}, errors.New("the token_url is no URL")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if basic != nil {
		req.SetBasicAuth(basic.ID, basic.Secret)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return grant{}, away(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return grant{}, away(err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return grant{}, fmt.Errorf("%w: status %d", errRefused, resp.StatusCode)
	}
	return readGrant(text, time.Now())
}

// readGrant reads the answer of a token end point.
func readGrant(text []byte, now time.Time) (grant, error) {
	var a struct {
		Error        any             `json:"error"`
		AccessToken  string          `json:"access_token"`
		RefreshToken string          `json:"refresh_token"`
		ExpiresIn    json.RawMessage `json:"expires_in"`
		Scope        *string         `json:"scope"`
	}
	if json.Unmarshal(text, &a) != nil {
		return grant{}, fmt.Errorf("%w: no JSON object as expected", errRefused)
	}
	seconds, err := strconv.ParseFloat(strings.Trim(string(a.ExpiresIn), `"`), 64)
	switch {
	case a.Error != nil:
		return grant{}, fmt.Errorf("%w: an error", errRefused)
	case a.AccessToken == "":
		return grant{}, fmt.Errorf("%w: no access_token", errRefused)
	case err != nil || math.IsNaN(seconds) || math.Abs(seconds) > maxLifetime:
		return grant{}, fmt.Errorf("%w: no expires_in", errRefused)
	case a.Scope == nil:
		return grant{}, fmt.Errorf("%w: no scope", errRefused)
	}
	until := now.Unix() + int64(seconds)
	return grant{AccessToken: a.AccessToken, RefreshToken: a.RefreshToken, Expiration: &until, Scope: strings.Fields(*a.Scope)}, nil
}

// away is why a provider could not be asked, as a text: its time-out is not one of ours, which clients are told to sit out.
func away(err error) error { return errors.New("the provider does not answer: " + inner(err).Error()) }

// inner is the cause of a failed request, without the URL, which may hold a state.
func inner(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
