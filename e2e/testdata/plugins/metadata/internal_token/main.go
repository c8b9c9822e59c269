// Command internal_token is a metadata provider that asks the service's own API, with the service token that it gets,
// whether that token is valid for the top tenant; and that keeps a random value with refresh tokens.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

const access = "test.internal_token"

type provider struct {
	pluginsdk.MetadataProviderDefaults

	api    string
	client http.Client
}

func (p *provider) Load(_ context.Context, c pluginsdk.Config) error {
	p.api, p.client.Timeout = c.ServiceURL, 3*time.Second
	return nil
}

func (*provider) ServiceAccess() []string { return []string{access} }

func (p *provider) TokenMetadata(ctx context.Context, s pluginsdk.Subject) (map[string]any, error) {
	m := s.BaseMetadata()
	valid, err := p.valid(ctx, pluginsdk.ServiceToken(ctx))
	m["internal_token_is_valid"] = valid
	return m, err
}

// valid looks up the tenant of the token, which is the top one, and checks the token with it.
func (p *provider) valid(ctx context.Context, token string) (bool, error) {
	of := p.api + "/0.1/token/" + url.PathEscape(token) + "?scope=" + access
	var found struct {
		Data struct {
			Metadata struct {
				Tenant string `json:"tenant_uuid"`
			} `json:"metadata"`
		} `json:"data"`
	}
	status, err := p.ask(ctx, http.MethodGet, of, &found)
	if err != nil || status != http.StatusOK {
		return false, err
	}
	if t := found.Data.Metadata.Tenant; t != "" {
		of += "&tenant=" + url.QueryEscape(t)
	}
	status, err = p.ask(ctx, http.MethodHead, of, nil)
	return status == http.StatusNoContent, err
}

func (p *provider) ask(ctx context.Context, method, of string, into any) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, of, http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("ask about the service token: %s is no address", p.api)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask %s about the service token failed", p.api) // the cause quotes the token
	}
	defer func() { _ = res.Body.Close() }()
	if into != nil && res.StatusCode == http.StatusOK {
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			return 0, fmt.Errorf("read the service token: %w", err)
		}
	}
	return res.StatusCode, nil
}

func (*provider) PersistentMetadata(context.Context, pluginsdk.Subject) (map[string]any, error) {
	return map[string]any{"persistent": uuid.NewString()}, nil
}

func main() { pluginsdk.ServeMetadataProvider(&provider{}) }
