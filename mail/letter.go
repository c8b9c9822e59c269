package mail

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Link is where the links of a mail lead to.
type Link struct {
	Scheme string
	// Hostname has no port and no brackets.
	Hostname string
	// Port is 0 for none; Prefix is empty for none, or begins with a slash.
	Port   int
	Prefix string
}

// Letter is what a mail is about.
type Letter struct {
	// Username is nil for a user without one, who is addressed by the address.
	Username *string
	// Address is the recipient.
	Address string
	Token   string
	// EmailUUID is that of the address to confirm; UserUUID the user whose password may be set.
	EmailUUID, UserUUID uuid.UUID
	Link                Link
}

// Driver sends the two mails. A call returns when the mail has been accepted for delivery, or with an error, which must not
// unwrap to one of a network: callers in a transaction would take it for the database's.
type Driver interface {
	SendConfirmation(ctx context.Context, l Letter) error
	SendPasswordReset(ctx context.Context, l Letter) error
}

// variables are what a template knows. What does not apply is undefined, and renders as nothing.
func (l *Letter) variables() map[string]any {
	v := map[string]any{"username": l.name(), "email_address": l.Address, "token": l.Token,
		"scheme": l.Link.Scheme, "hostname": l.Link.Hostname}
	if l.EmailUUID != uuid.Nil {
		v["email_uuid"] = l.EmailUUID.String()
	}
	if l.UserUUID != uuid.Nil {
		v["user_uuid"] = l.UserUUID.String()
	}
	if l.Link.Port != 0 {
		v["port"] = l.Link.Port
	}
	if l.Link.Prefix != "" {
		v["prefix"] = l.Link.Prefix
	}
	return v
}

func (l *Letter) name() string {
	if l.Username == nil {
		return l.Address
	}
	return *l.Username
}

// Kind is how one kind of mail looks.
type Kind struct {
	From          Mailbox
	Subject, Body File
}

// Mailer is the built-in driver: templates and an SMTP server.
type Mailer struct {
	Confirmation, PasswordReset Kind
	SMTP                        *SMTP
}

// SendConfirmation implements Driver.
func (m *Mailer) SendConfirmation(ctx context.Context, l Letter) error {
	return m.send(ctx, &m.Confirmation, &l)
}

// SendPasswordReset implements Driver.
func (m *Mailer) SendPasswordReset(ctx context.Context, l Letter) error {
	return m.send(ctx, &m.PasswordReset, &l)
}

func (m *Mailer) send(ctx context.Context, k *Kind, l *Letter) error {
	v := l.variables()
	subject, err := k.Subject.Render(v)
	if err != nil {
		return fmt.Errorf("subject of a mail: %w", err)
	}
	body, err := k.Body.Render(v)
	if err != nil {
		return fmt.Errorf("text of a mail: %w", err)
	}
	to := Mailbox{Address: l.Address}
	if l.Username != nil {
		to.Name = *l.Username
	}
	return m.SMTP.Send(ctx, &Message{From: k.From, To: to, Subject: subject, Body: body})
}
