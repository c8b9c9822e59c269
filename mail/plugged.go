package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Plugin sends mails in its own way. What a mail is about comes as a JSON object: the variables of the templates.
type Plugin interface {
	SendConfirmation(ctx context.Context, about json.RawMessage) error
	SendPasswordReset(ctx context.Context, about json.RawMessage) error
}

// Plugged is the driver that has a plug-in send the mails.
type Plugged struct{ Plugin Plugin }

var _ Driver = Plugged{}

// SendConfirmation implements Driver.
func (p Plugged) SendConfirmation(ctx context.Context, l Letter) error {
	return handOver(ctx, &l, p.Plugin.SendConfirmation)
}

// SendPasswordReset implements Driver.
func (p Plugged) SendPasswordReset(ctx context.Context, l Letter) error {
	return handOver(ctx, &l, p.Plugin.SendPasswordReset)
}

func handOver(ctx context.Context, l *Letter, send func(ctx context.Context, about json.RawMessage) error) error {
	about, err := json.Marshal(l.variables())
	if err != nil {
		return fmt.Errorf("encode what a mail is about: %w", err)
	}
	if err := send(ctx, about); err != nil {
		return errors.New(err.Error()) // whatever it unwraps to says nothing about our database
	}
	return nil
}
