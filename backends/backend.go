package backends

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// ErrRejected says that credentials are wrong, or that the login may not come in this way. It is not a failure: any other
// error of a Provider or Backend means "could not tell".
var ErrRejected = errors.New("login rejected")

// ErrUndecided beside ErrRejected says that nobody looked at the password: the source's own server is away. It counts as no
// failed attempt.
var ErrUndecided = errors.New("the source could not tell")

// Request is a validated request for a token, as sources see it. It is made for one login and may be changed by Verify:
// what a provider writes into Raw is seen by its backend.
type Request struct {
	// Login and Password are both non-empty or both empty.
	Login, Password string
	// Backend is the body's field of that name; it does not choose the source (but see the mock).
	Backend string
	// Raw is the whole JSON body, fields unknown to the schema included.
	Raw                   map[string]any
	Mobile                bool
	UserAgent, RemoteAddr string
}

// HasCredentials tells whether a login and a password came with the request.
func (r *Request) HasCredentials() bool { return r.Login != "" && r.Password != "" }

// User is a row of our own users, as it was when it was read.
type User struct {
	UUID, TenantUUID uuid.UUID
	Purpose          string
	// Method is the effective authentication method: the user's own, or the tenant's default.
	Method string
	// PasswordHash is what a password was verified with; nil where none was.
	PasswordHash *string
}

// Subject is an accepted login: whose access list and metadata are asked for.
type Subject struct {
	Login string
	// User is nil for somebody whom only the source knows.
	User *User
}

// Accepted is a provider's "yes".
type Accepted struct {
	// Login is the login from here on; it may differ from what was typed.
	Login   string
	Backend Backend
	// User is set by a provider that has read the user's row anyway.
	User *User
	// Foreign says that the login need not belong to a user of ours: the backend's metadata tell who it is.
	Foreign bool
	// SAMLLogin is the login of single sign-on that is exchanged: the transaction that writes the token uses it up.
	SAMLLogin *uuid.UUID
}

// Provider decides about login requests: identity providers of the contract ("idp"). Providers are asked in rising
// priority, and the first that claims a request has the last word on it. Used concurrently.
type Provider interface {
	// Method is the authentication method that users and tenants name.
	Method() string
	// Claims tells whether the request is this provider's own. An error counts as "no" and is logged.
	Claims(ctx context.Context, r *Request) (bool, error)
	// Verify returns ErrRejected for a refusal.
	Verify(ctx context.Context, r *Request) (Accepted, error)
	// BackendFor names the backend of a login that comes back with a refresh token.
	BackendFor(ctx context.Context, login string) (Backend, error)
}

// MetadataProvider fills the metadata of tokens, chosen by the purpose of the user (backends.md section 12). Used
// concurrently.
type MetadataProvider interface {
	// Name is what configuration calls it.
	Name() string
	// TokenMetadata are computed for every token.
	TokenMetadata(ctx context.Context, s Subject) (map[string]any, error)
	// PersistentMetadata are computed when a refresh token is made, and kept with it.
	PersistentMetadata(ctx context.Context, s Subject) (map[string]any, error)
}

// Backend supplies what a token says about an accepted login. Used concurrently.
type Backend interface {
	// Name is shown by GET /backends.
	Name() string
	// VerifyPassword tells whether the password is the login's. Wrong and unknown are false without an error.
	VerifyPassword(ctx context.Context, login, password string, r *Request) (bool, error)
	// AccessList is the token's access list; it may be empty and hold duplicates.
	AccessList(ctx context.Context, s Subject, r *Request) ([]string, error)
	// Metadata is the token's metadata; auth_id must be in it.
	Metadata(ctx context.Context, s Subject) (map[string]any, error)
	// PersistentMetadata is what is kept with a refresh token when one is made.
	PersistentMetadata(ctx context.Context, s Subject) (map[string]any, error)
}
