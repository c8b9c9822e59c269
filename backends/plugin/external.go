package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	pluginpb "github.com/xivo-auth/xivo-auth/backends/plugin/proto"
)

// ExternalAuth is a plug-in of kind external_auth: it declares a type of external accounts (external.md section 9).
type ExternalAuth struct{ p *plugin }

// SafeField is a member of stored data that lists may show, of a kind: string, strings, integer or boolean.
type SafeField struct{ Name, Kind string }

// declared is what a type was declared with when its plug-in was first loaded.
type declared struct {
	info map[string]any
	safe []SafeField
}

// maxData is the longest JSON that a plug-in may give to be stored of a user, in bytes.
const maxData = 512 << 10

func declaration(t *pluginpb.ExternalType) (*declared, error) {
	d := &declared{info: map[string]any{}}
	if text := t.GetPluginInfoJson(); len(text) > 0 {
		if len(text) > maxMetadata || json.Unmarshal(text, &d.info) != nil || d.info == nil {
			return nil, errors.New("its plugin_info is no JSON object of bearable size")
		}
	}
	if len(t.GetSafeFields()) > 100 {
		return nil, errors.New("it declares too many safe fields")
	}
	for _, f := range t.GetSafeFields() {
		if !slices.Contains([]string{"string", "strings", "integer", "boolean"}, f.GetKind()) {
			return nil, fmt.Errorf("it declares the safe field %q of an unknown kind", said(f.GetName()))
		}
		d.safe = append(d.safe, SafeField{f.GetName(), f.GetKind()})
	}
	return d, nil
}

func (e ExternalAuth) declared() *declared {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	return e.p.declared
}

// Info is the constant object that lists show of the type.
func (e ExternalAuth) Info() map[string]any { return e.declared().info }

// Safe are the members of the stored data that lists may show.
func (e ExternalAuth) Safe() []SafeField { return e.declared().safe }

// Prepare asks the plug-in what to store for a body, and for the state of a consent to wait for; the body, and none, if it
// offers nothing.
func (e ExternalAuth) Prepare(ctx context.Context, user, tenant uuid.UUID, body json.RawMessage) (data json.RawMessage, state string, err error) {
	r := &pluginpb.PrepareRequest{UserUuid: user.String(), TenantUuid: tenant.String(), BodyJson: body,
		RedirectUrl: strings.ReplaceAll(e.p.h.o.RedirectURL, "{auth_type}", e.p.name)}
	a, err := ask(ctx, e.p, e.p.question("prepare", string(body)), func(ctx context.Context, g *generation) (*pluginpb.PrepareAnswer, error) {
		return pluginpb.NewExternalAuthClient(g.conn).Prepare(ctx, r)
	})
	if errors.Is(err, errNotOffered) {
		return body, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	return a.GetDataJson(), a.GetState(), e.object("prepare", a.GetDataJson())
}

// Authorized hands a consent to the plug-in and gives what is to be stored; nil leaves it.
func (e ExternalAuth) Authorized(ctx context.Context, user, tenant uuid.UUID, data, message json.RawMessage) (json.RawMessage, error) {
	r := &pluginpb.AuthorizedRequest{UserUuid: user.String(), TenantUuid: tenant.String(), DataJson: data, MessageJson: message}
	a, err := ask(ctx, e.p, e.p.question("authorized", string(message)), func(ctx context.Context, g *generation) (*pluginpb.AuthorizedAnswer, error) {
		return pluginpb.NewExternalAuthClient(g.conn).Authorized(ctx, r)
	})
	if errors.Is(err, errNotOffered) || err == nil && len(a.GetDataJson()) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return a.GetDataJson(), e.object("authorized", a.GetDataJson())
}

func (e ExternalAuth) object(name string, text []byte) error {
	var m map[string]json.RawMessage
	if len(text) > maxData || json.Unmarshal(text, &m) != nil || m == nil {
		return fmt.Errorf("plug-in %s, %s: no JSON object of bearable size", e.p.id(), name)
	}
	return nil
}

// Email is a plug-in of kind email_notification: it sends the two mails in its own way.
type Email struct{ p *plugin }

// SendConfirmation has the plug-in send a confirmation mail; about is a JSON object (the context of identity.md section 12).
func (e Email) SendConfirmation(ctx context.Context, about json.RawMessage) error {
	_, err := ask(ctx, e.p, e.p.question("send_confirmation", string(about)), func(ctx context.Context, g *generation) (*pluginpb.MailAnswer, error) {
		return pluginpb.NewEmailNotificationClient(g.conn).SendConfirmation(ctx, &pluginpb.MailRequest{ContextJson: about})
	})
	return err
}

// SendPasswordReset has the plug-in send a reset mail.
func (e Email) SendPasswordReset(ctx context.Context, about json.RawMessage) error {
	_, err := ask(ctx, e.p, e.p.question("send_password_reset", string(about)), func(ctx context.Context, g *generation) (*pluginpb.MailAnswer, error) {
		return pluginpb.NewEmailNotificationClient(g.conn).SendPasswordReset(ctx, &pluginpb.MailRequest{ContextJson: about})
	})
	return err
}
