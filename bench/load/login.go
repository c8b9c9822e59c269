package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Logins posts to /0.1/token. A login costs the server milliseconds, so the client may be an ordinary one.
type Logins struct {
	url    string
	client *http.Client
}

// ErrBusy is the answer 503: the server told the client to come again.
var ErrBusy = errors.New("load: the server is busy")

// NewLogins makes a client of the API at address.
func NewLogins(address string) *Logins {
	t := &http.Transport{MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute, DisableCompression: true}
	return &Logins{url: "http://" + address + "/0.1/token", client: &http.Client{Transport: t, Timeout: 2 * time.Minute}}
}

// Close gives the idle connections back.
func (l *Logins) Close() { l.client.CloseIdleConnections() }

// Password logs in with a password and gives the new session.
func (l *Logins) Password(ctx context.Context, username, password string) (session string, err error) {
	return l.post(ctx, map[string]any{"expiration": 3600}, func(r *http.Request) { r.SetBasicAuth(username, password) })
}

// Refresh logs in with a refresh token and gives the new session.
func (l *Logins) Refresh(ctx context.Context, clientID, refreshToken string) (session string, err error) {
	return l.post(ctx, map[string]any{"expiration": 3600, "client_id": clientID, "refresh_token": refreshToken}, func(*http.Request) {})
}

func (l *Logins) post(ctx context.Context, body map[string]any, with func(*http.Request)) (session string, err error) {
	b, err := json.Marshal(body)
	if err != nil {
		return "", fmt.Errorf("load: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(b))
	if err != nil {
		return "", fmt.Errorf("load: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	with(r)
	a, err := l.client.Do(r)
	if err != nil {
		return "", fmt.Errorf("load: log in: %w", err)
	}
	defer a.Body.Close() //nolint:errcheck // read to its end below
	var answer struct {
		Data struct {
			Session string `json:"session_uuid"`
		} `json:"data"`
	}
	got, err := io.ReadAll(a.Body)
	switch {
	case err != nil:
		return "", fmt.Errorf("load: log in: %w", err)
	case a.StatusCode == http.StatusServiceUnavailable:
		return "", ErrBusy
	case a.StatusCode != http.StatusOK:
		return "", fmt.Errorf("load: a login was answered with %d", a.StatusCode)
	}
	if err := json.Unmarshal(got, &answer); err != nil {
		return "", fmt.Errorf("load: read the answer to a login: %w", err)
	}
	return answer.Data.Session, nil
}
