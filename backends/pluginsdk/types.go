package pluginsdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/grpc/metadata"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

// ErrRejected refuses a login: the client gets 401.
var ErrRejected = errors.New("login rejected")

// ErrNotOffered says that the plug-in has no such operation: xivo-auth uses the default. The Defaults return it.
var ErrNotOffered = errors.New("not offered by this plug-in")

// Config is what a plug-in is loaded with.
type Config struct {
	// Name is the name of the plug-in in the configuration.
	Name string
	// XivoUUID is the installation's name in tokens; nil where none is set.
	XivoUUID *string
	// ServiceURL is where the service's own API is, for use with ServiceToken; empty if there is none.
	ServiceURL string
	settings   []byte
}

// Settings decodes the plug-in's part of the configuration into a struct with json tags. Unknown keys are ignored.
func (c Config) Settings(into any) error {
	if err := json.Unmarshal(c.settings, into); err != nil {
		return fmt.Errorf("settings of plug-in %s: %w", c.Name, err)
	}
	return nil
}

// Request is a login request.
type Request struct {
	// Login and Password are both non-empty or both empty.
	Login, Password string
	// Backend is the body's field of that name.
	Backend string
	// Raw is the whole JSON body, with fields that no schema knows. What Verify writes into it is seen by the backend.
	Raw                   map[string]any
	Mobile                bool
	UserAgent, RemoteAddr string
}

// User is a user of xivo-auth.
type User struct {
	UUID, TenantUUID string
	// Purpose is user, internal or external_api.
	Purpose string
	// Method is the effective authentication method.
	Method string
}

// Subject is an accepted login.
type Subject struct {
	Login string
	// User is nil for somebody whom only the source knows.
	User *User
	// XivoUUID is the installation's name in tokens; nil where none is set.
	XivoUUID *string
}

// BaseMetadata are those that every metadata provider starts from: uuid, tenant_uuid, auth_id, pbx_user_uuid (null) and
// xivo_uuid.
func (s Subject) BaseMetadata() map[string]any {
	m := map[string]any{"uuid": nil, "tenant_uuid": nil, "auth_id": nil, "pbx_user_uuid": nil, "xivo_uuid": s.XivoUUID}
	if s.User != nil {
		m["uuid"], m["auth_id"], m["tenant_uuid"] = s.User.UUID, s.User.UUID, s.User.TenantUUID
	}
	return m
}

// Accepted is the "yes" of an identity provider.
type Accepted struct {
	// Login is the login from here on; empty means as it was typed.
	Login string
	// Backend is the name of an enabled backend, of xivo-auth (wazo_user) or a plug-in.
	Backend string
	// Foreign says that the login need not belong to a user of xivo-auth.
	Foreign bool
}

// ServiceToken is the token that the plug-in asked for with ServiceAccess, good for at least 30 s; empty outside of calls.
func ServiceToken(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if v := md.Get(pluginpb.ServiceTokenKey); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Backend supplies what a token says about an accepted login, and verifies passwords. Embed BackendDefaults.
type Backend interface {
	Load(ctx context.Context, c Config) error
	// ServiceAccess is the access list of the token that comes with each call; none is asked for if it is empty.
	ServiceAccess() []string
	// VerifyPassword tells whether the password is the login's. Wrong and unknown are false without an error.
	VerifyPassword(ctx context.Context, login, password string, r *Request) (bool, error)
	// AccessList is the token's access list; [] if not offered.
	AccessList(ctx context.Context, s Subject, r *Request) ([]string, error)
	// Metadata must hold auth_id, a stable name of the login. If not offered it is null, which refuses the login.
	Metadata(ctx context.Context, s Subject) (map[string]any, error)
	// PersistentMetadata are kept with the refresh token of an offline login; {} if not offered.
	PersistentMetadata(ctx context.Context, s Subject) (map[string]any, error)
}

// IdentityProvider decides about login requests. Embed IdentityProviderDefaults.
type IdentityProvider interface {
	Load(ctx context.Context, c Config) error
	ServiceAccess() []string
	// Method is what users and tenants name as their authentication method. Not empty; asked after Load.
	Method() string
	// Claims tells whether the request is this provider's own. It is asked for most logins of the installation and has
	// 250 ms: answer from the request alone. The first provider that claims a request has the last word on it.
	Claims(ctx context.Context, r *Request) (bool, error)
	// Verify accepts the login or returns ErrRejected.
	Verify(ctx context.Context, r *Request) (Accepted, error)
	// BackendFor names the backend of a login that comes back with a refresh token, which is refused if not offered.
	BackendFor(ctx context.Context, login string) (backend string, err error)
}

// MetadataProvider adds to the metadata of tokens. Embed MetadataProviderDefaults.
type MetadataProvider interface {
	Load(ctx context.Context, c Config) error
	ServiceAccess() []string
	// TokenMetadata are Subject.BaseMetadata if not offered.
	TokenMetadata(ctx context.Context, s Subject) (map[string]any, error)
	// PersistentMetadata are kept with the refresh token of an offline login; {} if not offered.
	PersistentMetadata(ctx context.Context, s Subject) (map[string]any, error)
}

type loading struct{}

// Load accepts any configuration.
func (loading) Load(context.Context, Config) error { return nil }

// ServiceAccess asks for no token.
func (loading) ServiceAccess() []string { return nil }

// BackendDefaults offers nothing: every login is refused.
type BackendDefaults struct{ loading }

// VerifyPassword refuses.
func (BackendDefaults) VerifyPassword(context.Context, string, string, *Request) (bool, error) {
	return false, nil
}

// AccessList is not offered.
func (BackendDefaults) AccessList(context.Context, Subject, *Request) ([]string, error) {
	return nil, ErrNotOffered
}

// Metadata is not offered.
func (BackendDefaults) Metadata(context.Context, Subject) (map[string]any, error) {
	return nil, ErrNotOffered
}

// PersistentMetadata is not offered.
func (BackendDefaults) PersistentMetadata(context.Context, Subject) (map[string]any, error) {
	return nil, ErrNotOffered
}

// IdentityProviderDefaults claims nothing; Method is missing on purpose.
type IdentityProviderDefaults struct{ loading }

// Claims nothing.
func (IdentityProviderDefaults) Claims(context.Context, *Request) (bool, error) { return false, nil }

// Verify refuses.
func (IdentityProviderDefaults) Verify(context.Context, *Request) (Accepted, error) {
	return Accepted{}, ErrRejected
}

// BackendFor is not offered.
func (IdentityProviderDefaults) BackendFor(context.Context, string) (string, error) {
	return "", ErrNotOffered
}

// MetadataProviderDefaults offers nothing.
type MetadataProviderDefaults struct{ loading }

// TokenMetadata is not offered.
func (MetadataProviderDefaults) TokenMetadata(context.Context, Subject) (map[string]any, error) {
	return nil, ErrNotOffered
}

// PersistentMetadata is not offered.
func (MetadataProviderDefaults) PersistentMetadata(context.Context, Subject) (map[string]any, error) {
	return nil, ErrNotOffered
}
