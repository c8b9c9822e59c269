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

func (p *plugin) question(name, password string) question {
	return question{name: name, timeout: p.h.o.Timeout, password: password}
}

// wire is a request as plug-ins see it.
func wire(r *backends.Request) (*pluginpb.Request, error) {
	raw := []byte("{}")
	if len(r.Raw) > 0 {
		var err error
		if raw, err = json.Marshal(r.Raw); err != nil {
			return nil, errors.New("encode the body for a plug-in") // the cause may quote it
		}
	}
	return &pluginpb.Request{Login: r.Login, Password: r.Password, Backend: r.Backend, RawJson: raw, Mobile: r.Mobile,
		UserAgent: r.UserAgent, RemoteAddress: r.RemoteAddr}, nil
}

func subject(s backends.Subject) *pluginpb.Subject {
	out := &pluginpb.Subject{Login: s.Login}
	if u := s.User; u != nil {
		out.User = &pluginpb.User{Uuid: u.UUID.String(), TenantUuid: u.TenantUUID.String(), Purpose: u.Purpose, Method: u.Method}
	}
	return out
}

// objectCall is a method of a client that answers with metadata.
type objectCall func(ctx context.Context, in *pluginpb.MetadataRequest, o ...grpc.CallOption) (*pluginpb.MetadataAnswer, error)

// object asks for metadata with the method that of finds for a life of the plug-in.
func (p *plugin) object(ctx context.Context, name string, s backends.Subject, of func(grpc.ClientConnInterface) objectCall) (map[string]any, error) {
	a, err := ask(ctx, p, p.question(name, ""), func(ctx context.Context, g *generation) (*pluginpb.MetadataAnswer, error) {
		return of(g.conn)(ctx, &pluginpb.MetadataRequest{Subject: subject(s)})
	})
	if err != nil {
		return nil, err
	}
	if n := len(a.GetMetadataJson()); n > maxMetadata {
		return nil, fmt.Errorf("plug-in %s, %s: %d bytes, more than %d", p.id(), name, n, maxMetadata)
	}
	var m map[string]any
	if err := json.Unmarshal(a.GetMetadataJson(), &m); err != nil || m == nil {
		return nil, fmt.Errorf("plug-in %s, %s: no JSON object", p.id(), name)
	}
	return m, nil
}

func orEmpty(m map[string]any, err error) (map[string]any, error) {
	if errors.Is(err, errNotOffered) {
		return map[string]any{}, nil
	}
	return m, err
}
