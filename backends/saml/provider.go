package saml

import (
	"context"
	"errors"

	"github.com/xivo-auth/xivo-auth/backends"
)

// Name is what configuration calls this provider, and its method.
const Name = "saml"

// sessionField is the member of a request that holds a session id.
const sessionField = "saml_session_id"

var _ backends.Provider = (*Service)(nil)

// Method is "saml".
func (s *Service) Method() string { return Name }

// Claims requests with a session id, whatever else they hold.
func (s *Service) Claims(_ context.Context, r *backends.Request) (bool, error) {
	_, present := r.Raw[sessionField]
	return present, nil
}

// Verify finds the login of a session. Whoever it names must be a user of the tenant whose identity provider says so, or of
// one below it: others' users are nobody's to vouch for (backends.md section 17).
func (s *Service) Verify(ctx context.Context, r *backends.Request) (backends.Accepted, error) {
	session, _ := r.Raw[sessionField].(string)
	hash := SessionHash(session)
	x, err := s.d.Store.OfSession(ctx, hash[:])
	if err != nil {
		return backends.Accepted{}, err
	}
	if x == nil {
		return backends.Accepted{}, errors.Join(backends.ErrRejected, errors.New("no such SAML session"))
	}
	if x.User == nil {
		return backends.Accepted{}, errors.Join(backends.ErrRejected, errors.New("no enabled user of the tenant has the login that the identity provider named"))
	}
	return backends.Accepted{Login: x.Login, Backend: s.d.Users, User: x.User, SAMLLogin: &x.UUID}, nil
}

// BackendFor is the backend of our own users: a renewal needs no identity provider.
func (s *Service) BackendFor(context.Context, string) (backends.Backend, error) {
	return s.d.Users, nil
}
