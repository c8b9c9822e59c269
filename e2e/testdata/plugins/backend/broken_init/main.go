// Command broken_init is a backend whose load step always fails.
package main

import (
	"context"
	"errors"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

type source struct{ pluginsdk.BackendDefaults }

func (source) Load(context.Context, pluginsdk.Config) error { return errors.New("broken on purpose") }

func main() { pluginsdk.ServeBackend(source{}) }
