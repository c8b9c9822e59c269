// Command broken_load is an identity provider whose load step always fails.
package main

import (
	"context"
	"errors"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

type provider struct {
	pluginsdk.IdentityProviderDefaults
}

func (provider) Load(context.Context, pluginsdk.Config) error { return errors.New("broken on purpose") }

func (provider) Method() string { return "broken_load" }

func main() { pluginsdk.ServeIdentityProvider(provider{}) }
