package pluginsdk

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

// Account is whose external account a call is about.
type Account struct{ UserUUID, TenantUUID string }

// Declaration is what lists show of a type of external accounts.
type Declaration struct {
	// Info is a constant JSON object.
	Info map[string]any
	// Safe are the members of the stored data that lists may show, with their kinds: string, strings, integer or boolean.
	// Nothing else is ever shown there.
	Safe map[string]string
}

// ExternalAuth declares a type of users' accounts with other services; its name is the plug-in's. xivo-auth has the routes
// /users/{uuid}/external/{type} and keeps the data, sealed. Embed ExternalAuthDefaults. API processes and workers run a
// copy each: what a consent needs to know must be in the data.
type ExternalAuth interface {
	Load(ctx context.Context, c Config) error
	ServiceAccess() []string
	Declaration() Declaration
	// Prepare is asked when a body, a JSON object, is to be stored for a user who has none. It gives what is stored and
	// answered, and the state of a consent to wait for; an empty one waits for none. A state is a secret: unguessable.
	Prepare(ctx context.Context, a Account, body map[string]any) (data map[string]any, state string, err error)
	// Authorized is asked when the consent arrived, with what is stored (nil: nothing) and the message of the
	// synchronisation service. What it gives replaces the data; nil leaves them. An error: nobody is told of the consent.
	Authorized(ctx context.Context, a Account, data map[string]any, message any) (map[string]any, error)
}

// ExternalAuthDefaults stores bodies as they come.
type ExternalAuthDefaults struct{ loading }

// Declaration shows nothing.
func (ExternalAuthDefaults) Declaration() Declaration { return Declaration{} }

// Prepare stores the body as it is.
func (ExternalAuthDefaults) Prepare(_ context.Context, _ Account, body map[string]any) (data map[string]any, state string, err error) {
	return body, "", nil
}

// Authorized leaves the data as they are.
func (ExternalAuthDefaults) Authorized(context.Context, Account, map[string]any, any) (map[string]any, error) {
	return nil, ErrNotOffered
}

// EmailNotification sends the mails of xivo-auth. Contexts hold username, email_address, token, scheme, hostname, port and
// prefix where they apply, and email_uuid of a confirmation or user_uuid of a reset. The token is a credential.
type EmailNotification interface {
	Load(ctx context.Context, c Config) error
	ServiceAccess() []string
	SendConfirmation(ctx context.Context, about map[string]any) error
	SendPasswordReset(ctx context.Context, about map[string]any) error
}

// EmailNotificationDefaults accepts any configuration; the two mails are missing on purpose.
type EmailNotificationDefaults struct{ loading }

type externalServer struct {
	pluginpb.UnimplementedExternalAuthServer
	plugin
	e ExternalAuth
}

func (s *externalServer) declaration() *pluginpb.ExternalType {
	d := s.e.Declaration()
	out := &pluginpb.ExternalType{}
	if d.Info != nil {
		var err error
		if out.PluginInfoJson, err = json.Marshal(d.Info); err != nil {
			slog.Error("the declared info is no JSON", "error", err)
		}
	}
	for name, kind := range d.Safe {
		out.SafeFields = append(out.SafeFields, &pluginpb.SafeField{Name: name, Kind: kind})
	}
	return out
}

func (s *externalServer) Prepare(ctx context.Context, in *pluginpb.PrepareRequest) (*pluginpb.PrepareAnswer, error) {
	body, err := members(in.GetBodyJson())
	if err != nil {
		return nil, err
	}
	data, state, err := s.e.Prepare(withRedirect(ctx, in.GetRedirectUrl()), Account{in.GetUserUuid(), in.GetTenantUuid()}, body)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("encode the data: %w", err)
	}
	return &pluginpb.PrepareAnswer{DataJson: text, State: state}, nil
}

func (s *externalServer) Authorized(ctx context.Context, in *pluginpb.AuthorizedRequest) (*pluginpb.AuthorizedAnswer, error) {
	data, err := members(in.GetDataJson())
	if err != nil {
		return nil, err
	}
	var message any
	if json.Unmarshal(in.GetMessageJson(), &message) != nil {
		return nil, status.Error(codes.InvalidArgument, "message_json is not JSON")
	}
	changed, err := s.e.Authorized(ctx, Account{in.GetUserUuid(), in.GetTenantUuid()}, data, message)
	if err != nil || changed == nil {
		return &pluginpb.AuthorizedAnswer{}, err
	}
	text, err := json.Marshal(changed)
	if err != nil {
		return nil, fmt.Errorf("encode the data: %w", err)
	}
	return &pluginpb.AuthorizedAnswer{DataJson: text}, nil
}

type redirectKey struct{}

func withRedirect(ctx context.Context, address string) context.Context {
	return context.WithValue(ctx, redirectKey{}, address)
}

// RedirectURL is where a provider is to send the browser after a consent; empty outside of Prepare.
func RedirectURL(ctx context.Context) string {
	address, _ := ctx.Value(redirectKey{}).(string)
	return address
}

func members(text []byte) (map[string]any, error) {
	var m map[string]any
	if len(text) > 0 && json.Unmarshal(text, &m) != nil {
		return nil, status.Error(codes.InvalidArgument, "no JSON object")
	}
	return m, nil
}

type emailServer struct {
	pluginpb.UnimplementedEmailNotificationServer
	plugin
	e EmailNotification
}

func (s *emailServer) SendConfirmation(ctx context.Context, in *pluginpb.MailRequest) (*pluginpb.MailAnswer, error) {
	about, err := members(in.GetContextJson())
	if err == nil {
		err = s.e.SendConfirmation(ctx, about)
	}
	return &pluginpb.MailAnswer{}, err
}

func (s *emailServer) SendPasswordReset(ctx context.Context, in *pluginpb.MailRequest) (*pluginpb.MailAnswer, error) {
	about, err := members(in.GetContextJson())
	if err == nil {
		err = s.e.SendPasswordReset(ctx, about)
	}
	return &pluginpb.MailAnswer{}, err
}
