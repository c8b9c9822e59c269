// Command broken_can_authenticate is an identity provider that fails when it is asked whether a login is its own.
package main

import (
	"context"
	"errors"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

type provider struct {
	pluginsdk.IdentityProviderDefaults
}

func (provider) Method() string { return "broken_can_authenticate" }

func (provider) Claims(context.Context, *pluginsdk.Request) (bool, error) {
	return false, errors.New("broken on purpose")
}

func main() { pluginsdk.ServeIdentityProvider(provider{}) }
