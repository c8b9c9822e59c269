// Package mock is the source of xivo-auth 17's tests: login "foo", password "bar", nobody else, no database. It answers
// only where it is enabled by name, and only requests whose body says "backend": "mock".
package mock

import (
	"context"
	"crypto/subtle"

	"github.com/xivo-auth/xivo-auth/backends"
)

// Method and Name of the source.
const (
	Method = "mock"
	Name   = "mock"
)

// Source is both the provider and the backend. XivoUUID is the installation's name in tokens, or nil.
type Source struct{ XivoUUID *string }

var (
	_ backends.Provider = Source{}
	_ backends.Backend  = Source{}
)

// Method is "mock".
func (Source) Method() string { return Method }

// Name is "mock".
func (Source) Name() string { return Name }

// Claims requests that name it.
func (Source) Claims(_ context.Context, r *backends.Request) (bool, error) {
	return r.HasCredentials() && r.Backend == Name, nil
}

// Verify knows one login.
func (s Source) Verify(ctx context.Context, r *backends.Request) (backends.Accepted, error) {
	ok, err := s.VerifyPassword(ctx, r.Login, r.Password, r)
	if err != nil {
		return backends.Accepted{}, err
	}
	if !ok {
		return backends.Accepted{}, backends.ErrRejected
	}
	return backends.Accepted{Login: r.Login, Backend: s, Foreign: true}, nil
}

// BackendFor is the source itself.
func (s Source) BackendFor(context.Context, string) (backends.Backend, error) { return s, nil }

// VerifyPassword compares with the one login.
func (Source) VerifyPassword(ctx context.Context, login, password string, _ *backends.Request) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(login), []byte("foo"))&subtle.ConstantTimeCompare([]byte(password), []byte("bar")) == 1, nil
}

// AccessList is fixed.
func (Source) AccessList(context.Context, backends.Subject, *backends.Request) ([]string, error) {
	return []string{"foo", "bar", "auth.#"}, nil
}

// Metadata name a user whom only this source knows.
func (s Source) Metadata(context.Context, backends.Subject) (map[string]any, error) {
	return map[string]any{"auth_id": "a-mocked-uuid", "xivo_uuid": s.XivoUUID, "pbx_user_uuid": nil}, nil
}

// PersistentMetadata are none.
func (Source) PersistentMetadata(context.Context, backends.Subject) (map[string]any, error) {
	return map[string]any{}, nil
}
