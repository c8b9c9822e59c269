// Command broken_verify_auth_replacement claims the same requests as broken_verify_auth, has the same method, and accepts
// any login without looking at a password.
package main

import (
	"context"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

type provider struct {
	pluginsdk.IdentityProviderDefaults
}

func (provider) Method() string { return "broken_verify_auth" }

func (provider) Claims(_ context.Context, r *pluginsdk.Request) (bool, error) {
	return r.Raw["broken_verify_auth"] == true, nil
}

func (provider) Verify(_ context.Context, r *pluginsdk.Request) (pluginsdk.Accepted, error) {
	return pluginsdk.Accepted{Login: r.Login, Backend: "wazo_user"}, nil
}

func (provider) BackendFor(context.Context, string) (string, error) { return "wazo_user", nil }

func main() { pluginsdk.ServeIdentityProvider(provider{}) }
