// Command foo declares a type of external accounts whose creation begins to wait for a consent.
package main

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/xivo-auth/xivo-auth/backends/pluginsdk"
)

type foo struct{ pluginsdk.ExternalAuthDefaults }

// Prepare adds a state of 16 upper-case letters and digits to the data.
func (foo) Prepare(_ context.Context, _ pluginsdk.Account, body map[string]any) (data map[string]any, state string, err error) {
	state = rand.Text()[:16]
	body["state"] = state
	return body, state, nil
}

// Authorized keeps the access token of the message.
func (foo) Authorized(_ context.Context, _ pluginsdk.Account, data map[string]any, message any) (map[string]any, error) {
	m, ok := message.(map[string]any)
	if !ok || m["access_token"] == nil || data == nil {
		return nil, errors.New("no access_token came, or there is nothing to keep it with")
	}
	data["access_token"] = m["access_token"]
	return data, nil
}

func main() { pluginsdk.ServeExternalAuth(foo{}) }
