package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"github.com/xivo-auth/xivo-auth/backends"
	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

// Backend is a plug-in of kind backend.
type Backend struct{ p *plugin }

// Provider is a plug-in of kind idp.
type Provider struct{ p *plugin }

// Metadata is a plug-in of kind metadata: a metadata provider of the contract (backends.md section 12).
type Metadata struct{ p *plugin }

// ownProvider is a backend plug-in that was made a provider by the configuration.
type ownProvider struct{ b Backend }

var (
	_ backends.Backend  = Backend{}
	_ backends.Provider = Provider{}
	_ backends.Provider = ownProvider{}
)

// Name is the name in the configuration.
func (b Backend) Name() string { return b.p.name }

// VerifyPassword asks the plug-in. Without a login and a password nobody is asked: the answer is no.
func (b Backend) VerifyPassword(ctx context.Context, login, password string, r *backends.Request) (bool, error) {
	if login == "" || password == "" {
		return false, nil
	}
	req, err := wire(r)
	if err != nil {
		return false, err
	}
	req.Login, req.Password = login, password
	a, err := ask(ctx, b.p, b.p.question("verify_password", password), func(ctx context.Context, g *generation) (*pluginpb.VerifyPasswordAnswer, error) {
		return pluginpb.NewBackendClient(g.conn).VerifyPassword(ctx, &pluginpb.VerifyPasswordRequest{Request: req})
	})
	if errors.Is(err, backends.ErrRejected) || errors.Is(err, errNotOffered) {
		return false, nil
	}
	return err == nil && a.GetAccepted(), err
}

// AccessList asks the plug-in; [] if it offers none.
func (b Backend) AccessList(ctx context.Context, s backends.Subject, r *backends.Request) ([]string, error) {
	req, err := wire(r)
	if err != nil {
		return nil, err
	}
	a, err := ask(ctx, b.p, b.p.question("access_list", req.GetPassword()), func(ctx context.Context, g *generation) (*pluginpb.AccessListAnswer, error) {
		return pluginpb.NewBackendClient(g.conn).AccessList(ctx, &pluginpb.AccessListRequest{Subject: subject(s), Request: req})
	})
	if errors.Is(err, errNotOffered) {
		return []string{}, nil
	}
	if err != nil {
		return nil, err
	}
	if n := len(a.GetAccess()); n > maxAccesses {
		return nil, fmt.Errorf("plug-in %s, access_list: %d entries, more than %d", b.p.id(), n, maxAccesses)
	}
	return a.GetAccess(), nil
}

// Metadata asks the plug-in. Those of a plug-in that offers none have no auth_id.
func (b Backend) Metadata(ctx context.Context, s backends.Subject) (map[string]any, error) {
	m, err := b.p.object(ctx, "metadata", s, func(c grpc.ClientConnInterface) objectCall { return pluginpb.NewBackendClient(c).Metadata })
	if errors.Is(err, errNotOffered) {
		return map[string]any{"auth_id": nil, "username": s.Login, "xivo_uuid": b.p.h.o.XivoUUID, "pbx_user_uuid": nil}, nil
	}
	if err != nil {
		return nil, err
	}
	if _, ok := m["xivo_uuid"]; !ok { // every token has it, and it is ours to know
		m["xivo_uuid"] = b.p.h.o.XivoUUID
	}
	return m, nil
}

// PersistentMetadata asks the plug-in; {} if it offers none.
func (b Backend) PersistentMetadata(ctx context.Context, s backends.Subject) (map[string]any, error) {
	return orEmpty(b.p.object(ctx, "persistent_metadata", s, func(c grpc.ClientConnInterface) objectCall { return pluginpb.NewBackendClient(c).PersistentMetadata }))
}

// Name is what configuration calls the provider.
func (p Provider) Name() string { return p.p.name }

// Method is what users and tenants name.
func (p Provider) Method() string {
	p.p.mu.Lock()
	defer p.p.mu.Unlock()
	return p.p.method
}

// Claims asks the plug-in.
func (p Provider) Claims(ctx context.Context, r *backends.Request) (bool, error) {
	req, err := wire(r)
	if err != nil {
		return false, err
	}
	q := question{name: "claims", timeout: p.p.h.o.ClaimsTimeout, password: r.Password}
	a, err := ask(ctx, p.p, q, func(ctx context.Context, g *generation) (*pluginpb.ClaimsAnswer, error) {
		return pluginpb.NewIdentityProviderClient(g.conn).Claims(ctx, &pluginpb.ClaimsRequest{Request: req})
	})
	if errors.Is(err, errNotOffered) {
		return false, nil
	}
	return err == nil && a.GetClaimed(), err
}

// Verify asks the plug-in, and takes over what it wrote into the body.
func (p Provider) Verify(ctx context.Context, r *backends.Request) (backends.Accepted, error) {
	req, err := wire(r)
	if err != nil {
		return backends.Accepted{}, err
	}
	a, err := ask(ctx, p.p, p.p.question("verify", r.Password), func(ctx context.Context, g *generation) (*pluginpb.VerifyAnswer, error) {
		return pluginpb.NewIdentityProviderClient(g.conn).Verify(ctx, &pluginpb.VerifyRequest{Request: req})
	})
	if errors.Is(err, errNotOffered) {
		return backends.Accepted{}, fmt.Errorf("plug-in %s verifies nobody: %w", p.p.id(), backends.ErrRejected)
	}
	if err != nil {
		return backends.Accepted{}, err
	}
	login := a.GetLogin()
	if login == "" {
		login = r.Login
	}
	if login == "" || len(login) > maxLogin {
		return backends.Accepted{}, fmt.Errorf("plug-in %s, verify: accepted a login of %d bytes", p.p.id(), len(login))
	}
	b, err := p.backend(a.GetBackend())
	if err != nil {
		return backends.Accepted{}, err
	}
	if a.RawJson != nil {
		var raw map[string]any
		if err := json.Unmarshal(a.GetRawJson(), &raw); err != nil {
			return backends.Accepted{}, fmt.Errorf("plug-in %s, verify: the body that it returned is no JSON object", p.p.id())
		}
		r.Raw = raw
	}
	return backends.Accepted{Login: login, Backend: b, Foreign: a.GetForeign()}, nil
}

// BackendFor asks the plug-in. One that has no such operation refuses the login (backends.md section 11).
func (p Provider) BackendFor(ctx context.Context, login string) (backends.Backend, error) {
	a, err := ask(ctx, p.p, p.p.question("backend_for", ""), func(ctx context.Context, g *generation) (*pluginpb.BackendForAnswer, error) {
		return pluginpb.NewIdentityProviderClient(g.conn).BackendFor(ctx, &pluginpb.BackendForRequest{Login: login})
	})
	if errors.Is(err, errNotOffered) {
		return nil, fmt.Errorf("plug-in %s names no backend for refresh tokens: %w", p.p.id(), backends.ErrRejected)
	}
	if err != nil {
		return nil, err
	}
	return p.backend(a.GetBackend())
}

func (p Provider) backend(name string) (backends.Backend, error) {
	if b, ok := p.p.h.backends[name]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("plug-in %s names the backend %q, which is not loaded", p.p.id(), said(name))
}

// Name is the name in the configuration.
func (m Metadata) Name() string { return m.p.name }

// TokenMetadata asks the plug-in; those of the contract's base if it offers none.
func (m Metadata) TokenMetadata(ctx context.Context, s backends.Subject) (map[string]any, error) {
	got, err := m.p.object(ctx, "token_metadata", s, func(c grpc.ClientConnInterface) objectCall {
		return pluginpb.NewMetadataProviderClient(c).TokenMetadata
	})
	if !errors.Is(err, errNotOffered) {
		return got, err
	}
	base := map[string]any{"uuid": nil, "tenant_uuid": nil, "auth_id": nil, "pbx_user_uuid": nil, "xivo_uuid": m.p.h.o.XivoUUID}
	if u := s.User; u != nil {
		base["uuid"], base["auth_id"], base["tenant_uuid"] = u.UUID.String(), u.UUID.String(), u.TenantUUID.String()
	}
	return base, nil
}

// PersistentMetadata asks the plug-in; {} if it offers none.
func (m Metadata) PersistentMetadata(ctx context.Context, s backends.Subject) (map[string]any, error) {
	return orEmpty(m.p.object(ctx, "persistent_metadata", s, func(c grpc.ClientConnInterface) objectCall {
		return pluginpb.NewMetadataProviderClient(c).PersistentMetadata
	}))
}

// Method is the backend's name.
func (o ownProvider) Method() string { return o.b.Name() }

// Claims requests with credentials that name the backend.
func (o ownProvider) Claims(_ context.Context, r *backends.Request) (bool, error) {
	return r.HasCredentials() && r.Backend == o.b.Name(), nil
}

// Verify verifies the password.
func (o ownProvider) Verify(ctx context.Context, r *backends.Request) (backends.Accepted, error) {
	ok, err := o.b.VerifyPassword(ctx, r.Login, r.Password, r)
	if err != nil {
		return backends.Accepted{}, err
	}
	if !ok {
		return backends.Accepted{}, fmt.Errorf("plug-in %s: %w", o.b.p.id(), backends.ErrRejected)
	}
	return backends.Accepted{Login: r.Login, Backend: o.b, Foreign: true}, nil
}

// BackendFor is the backend.
func (o ownProvider) BackendFor(context.Context, string) (backends.Backend, error) { return o.b, nil }
