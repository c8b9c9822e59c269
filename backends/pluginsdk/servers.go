package pluginsdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

// plugin is the part that all kinds serve.
type plugin struct {
	pluginpb.UnimplementedPluginServer
	kind   string
	load   func(context.Context, Config) error
	access func() []string
	method func() string
	// external is what a type of external accounts declares.
	external func() *pluginpb.ExternalType

	mu       sync.RWMutex
	xivoUUID *string
}

func (p *plugin) Load(ctx context.Context, r *pluginpb.LoadRequest) (*pluginpb.LoadAnswer, error) {
	if r.GetKind() != p.kind {
		return nil, status.Errorf(codes.FailedPrecondition, "this program is a plug-in of kind %s, not %s", p.kind, r.GetKind())
	}
	p.mu.Lock()
	p.xivoUUID = r.XivoUuid
	p.mu.Unlock()
	c := Config{Name: r.GetName(), XivoUUID: r.XivoUuid, ServiceURL: r.GetServiceUrl(), settings: r.GetSettingsJson()}
	if err := p.load(ctx, c); err != nil {
		return nil, err
	}
	a := &pluginpb.LoadAnswer{ServiceAccess: p.access()}
	if p.method != nil {
		a.Method = p.method()
	}
	if p.external != nil {
		a.External = p.external()
	}
	return a, nil
}

func (p *plugin) subject(s *pluginpb.Subject) Subject {
	p.mu.RLock()
	defer p.mu.RUnlock()
	out := Subject{Login: s.GetLogin(), XivoUUID: p.xivoUUID}
	if u := s.GetUser(); u != nil {
		out.User = &User{UUID: u.GetUuid(), TenantUUID: u.GetTenantUuid(), Purpose: u.GetPurpose(), Method: u.GetMethod()}
	}
	return out
}

type backendServer struct {
	pluginpb.UnimplementedBackendServer
	plugin
	b Backend
}

func (s *backendServer) VerifyPassword(ctx context.Context, in *pluginpb.VerifyPasswordRequest) (*pluginpb.VerifyPasswordAnswer, error) {
	r, err := request(in.GetRequest())
	if err != nil {
		return nil, err
	}
	ok, err := s.b.VerifyPassword(ctx, r.Login, r.Password, r)
	return &pluginpb.VerifyPasswordAnswer{Accepted: ok && err == nil}, err
}

func (s *backendServer) AccessList(ctx context.Context, in *pluginpb.AccessListRequest) (*pluginpb.AccessListAnswer, error) {
	r, err := request(in.GetRequest())
	if err != nil {
		return nil, err
	}
	list, err := s.b.AccessList(ctx, s.subject(in.GetSubject()), r)
	return &pluginpb.AccessListAnswer{Access: list}, err
}

func (s *backendServer) Metadata(ctx context.Context, in *pluginpb.MetadataRequest) (*pluginpb.MetadataAnswer, error) {
	return object(s.b.Metadata(ctx, s.subject(in.GetSubject())))
}

func (s *backendServer) PersistentMetadata(ctx context.Context, in *pluginpb.MetadataRequest) (*pluginpb.MetadataAnswer, error) {
	return object(s.b.PersistentMetadata(ctx, s.subject(in.GetSubject())))
}

type providerServer struct {
	pluginpb.UnimplementedIdentityProviderServer
	plugin
	p IdentityProvider
}

func (s *providerServer) Claims(ctx context.Context, in *pluginpb.ClaimsRequest) (*pluginpb.ClaimsAnswer, error) {
	r, err := request(in.GetRequest())
	if err != nil {
		return nil, err
	}
	mine, err := s.p.Claims(ctx, r)
	return &pluginpb.ClaimsAnswer{Claimed: mine}, err
}

func (s *providerServer) Verify(ctx context.Context, in *pluginpb.VerifyRequest) (*pluginpb.VerifyAnswer, error) {
	r, err := request(in.GetRequest())
	if err != nil {
		return nil, err
	}
	a, err := s.p.Verify(ctx, r)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(r.Raw)
	if err != nil {
		return nil, fmt.Errorf("encode the body: %w", err)
	}
	return &pluginpb.VerifyAnswer{Login: a.Login, Backend: a.Backend, Foreign: a.Foreign, RawJson: raw}, nil
}

func (s *providerServer) BackendFor(ctx context.Context, in *pluginpb.BackendForRequest) (*pluginpb.BackendForAnswer, error) {
	name, err := s.p.BackendFor(ctx, in.GetLogin())
	return &pluginpb.BackendForAnswer{Backend: name}, err
}

type metadataServer struct {
	pluginpb.UnimplementedMetadataProviderServer
	plugin
	p MetadataProvider
}

func (s *metadataServer) TokenMetadata(ctx context.Context, in *pluginpb.MetadataRequest) (*pluginpb.MetadataAnswer, error) {
	return object(s.p.TokenMetadata(ctx, s.subject(in.GetSubject())))
}

func (s *metadataServer) PersistentMetadata(ctx context.Context, in *pluginpb.MetadataRequest) (*pluginpb.MetadataAnswer, error) {
	return object(s.p.PersistentMetadata(ctx, s.subject(in.GetSubject())))
}

func request(r *pluginpb.Request) (*Request, error) {
	out := &Request{Login: r.GetLogin(), Password: r.GetPassword(), Backend: r.GetBackend(), Mobile: r.GetMobile(),
		UserAgent: r.GetUserAgent(), RemoteAddr: r.GetRemoteAddress(), Raw: map[string]any{}}
	if len(r.GetRawJson()) > 0 {
		if err := json.Unmarshal(r.GetRawJson(), &out.Raw); err != nil {
			return nil, status.Error(codes.InvalidArgument, "raw_json is not a JSON object")
		}
	}
	return out, nil
}

func object(m map[string]any, err error) (*pluginpb.MetadataAnswer, error) {
	if err != nil {
		return nil, err
	}
	if m == nil {
		m = map[string]any{}
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	return &pluginpb.MetadataAnswer{MetadataJson: b}, nil
}

// toStatus gives an error its meaning on the wire.
func toStatus(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRejected):
		return status.Error(codes.Unauthenticated, "login rejected")
	case errors.Is(err, ErrNotOffered):
		return status.Error(codes.Unimplemented, "not offered")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, err.Error())
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	}
	if s, ok := status.FromError(err); ok {
		return s.Err()
	}
	return status.Error(codes.Unknown, err.Error())
}
