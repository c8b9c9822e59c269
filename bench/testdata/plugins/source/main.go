// Command source is the plug-in of the benchmark. Its name says how it behaves: plain compares strings, crash ends shortly
// after it was loaded, and again after each restart, hang and stall never answer.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

// life is how long crash lives.
const life = 100 * time.Millisecond

// password is that of the seeded users.
const password = "correct horse battery staple"

func name() string { return filepath.Base(os.Args[0]) }

func load() {
	if name() == "crash" {
		time.AfterFunc(life, func() { os.Exit(3) })
	}
}

type backend struct{ pluginsdk.BackendDefaults }

func (backend) Load(context.Context, pluginsdk.Config) error {
	load()
	return nil
}

func (backend) VerifyPassword(_ context.Context, _, given string, _ *pluginsdk.Request) (bool, error) {
	if name() == "hang" {
		select {}
	}
	return given == password, nil
}

// accesses are as many as those of a seeded user.
var accesses = func() []string {
	list := make([]string, 43)
	for i := range list {
		list[i] = fmt.Sprintf("service0.things.%d.read", i)
	}
	return list
}()

func (backend) AccessList(context.Context, pluginsdk.Subject, *pluginsdk.Request) ([]string, error) {
	return accesses, nil
}

func (backend) Metadata(_ context.Context, s pluginsdk.Subject) (map[string]any, error) {
	return s.BaseMetadata(), nil
}

// provider is asked at every login of the installation, and never answers.
type provider struct {
	pluginsdk.IdentityProviderDefaults
}

func (provider) Method() string { return name() }

func (provider) Claims(context.Context, *pluginsdk.Request) (bool, error) { select {} }

func main() {
	if name() == "stall" {
		pluginsdk.ServeIdentityProvider(provider{})
	}
	pluginsdk.ServeBackend(backend{})
}
