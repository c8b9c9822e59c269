package main

import (
	"fmt"
	"log/slog"
	"net/url"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/api"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/mail"
	"github.com/xivo-auth/xivo-auth/sources"
	"github.com/xivo-auth/xivo-auth/token"
)

// mails wires what users do by mail.
func mails(cfg *config.API, loaded *sources.Sources, pool *pgxpool.Pool, users *identity.Users, tenants *identity.Tenants, tokens *token.Service, wake func(),
	reg prometheus.Registerer, log *slog.Logger) (api.MailDeps, error) {
	standard := config.DefaultAPI().Mails
	file := func(path, standard string) mail.File { return mail.File{Path: path, Default: path == standard} }
	var public *url.URL
	if cfg.PublicURL == "" {
		log.Warn("no public_url is configured: links in mails lead to where the request for a mail says it was sent")
	} else {
		var err error
		if public, err = url.Parse(cfg.PublicURL); err != nil {
			return api.MailDeps{}, fmt.Errorf("public_url: %w", err)
		}
	}
	var driver mail.Driver = &mail.Mailer{
		Confirmation: mail.Kind{
			From:    mail.Mailbox{Name: cfg.ConfirmationFromName, Address: cfg.ConfirmationFromAddress},
			Subject: file(cfg.ConfirmationSubjectTemplate, standard.ConfirmationSubjectTemplate),
			Body:    file(cfg.ConfirmationTemplate, standard.ConfirmationTemplate),
		},
		PasswordReset: mail.Kind{
			From:    mail.Mailbox{Name: cfg.PasswordResetFromName, Address: cfg.PasswordResetFromAddress},
			Subject: file(cfg.PasswordResetSubjectTemplate, standard.PasswordResetSubjectTemplate),
			Body:    file(cfg.PasswordResetTemplate, standard.PasswordResetTemplate),
		},
		SMTP: mail.NewSMTP(cfg.SMTP.Hostname, cfg.SMTP.Port),
	}
	if plugin, plugged := loaded.Plugins.Email(); plugged {
		driver = mail.Plugged{Plugin: plugin}
	} else if cfg.Driver != standard.Driver {
		return api.MailDeps{}, fmt.Errorf("email_notification_plugin: there is no plug-in %q that can be loaded", cfg.Driver)
	}
	service := identity.NewMails(identity.MailDeps{
		Pool: pool, Users: users, Tenants: tenants, Tokens: tokens, Wake: wake, Log: log, Driver: driver,
		ResetLifetime: cfg.PasswordResetExpiration, ConfirmLifetime: cfg.ConfirmationExpiration,
		PerRecipient: cfg.MailsPerRecipient, PerAddress: cfg.MailsPerAddress, Count: mail.NewMetrics(reg).Count,
	})
	page := file(cfg.ConfirmationPageTemplate, standard.ConfirmationPageTemplate)
	return api.MailDeps{Service: service, PublicURL: public, PageType: cfg.ConfirmationPageType,
		Page: func() (string, error) { return page.Render(nil) }}, nil
}
