// Command broken_verify_auth is an identity provider that claims requests with a true "broken_verify_auth" in their body,
// refuses them all, and cannot name a backend.
package main

import (
	"context"
	"errors"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

type provider struct {
	pluginsdk.IdentityProviderDefaults
}

func (provider) Method() string { return "broken_verify_auth" }

func (provider) Claims(_ context.Context, r *pluginsdk.Request) (bool, error) {
	return r.Raw["broken_verify_auth"] == true, nil
}

func (provider) Verify(context.Context, *pluginsdk.Request) (pluginsdk.Accepted, error) {
	return pluginsdk.Accepted{}, pluginsdk.ErrRejected
}

func (provider) BackendFor(context.Context, string) (string, error) {
	return "", errors.New("broken on purpose")
}

func main() { pluginsdk.ServeIdentityProvider(provider{}) }
