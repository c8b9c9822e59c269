package config

import (
	"mime"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Mails is what users receive, and how it is sent.
type Mails struct {
	SMTP      SMTP   `yaml:"smtp" envPrefix:"SMTP_"`
	Driver    string `yaml:"email_notification_plugin" env:"EMAIL_NOTIFICATION_PLUGIN" doc:"Who sends mails: smtp, or the name of a plug-in, without which the process does not start."`
	PublicURL string `yaml:"public_url" env:"PUBLIC_URL" doc:"Where users reach this service, such as https://auth.example.com/api/auth: scheme, host, port and prefix of the links in mails. Without it they come from the request, so anybody who asks for a mail chooses them."`
	// Limits of an hour; 0 is none.
	MailsPerRecipient int `yaml:"mails_per_recipient" env:"MAILS_PER_RECIPIENT" range:"0..100000" doc:"Most mails to one recipient in an hour; 0: no limit. Requests from loopback addresses are not counted."`
	MailsPerAddress   int `yaml:"mails_per_address" env:"MAILS_PER_ADDRESS" range:"0..100000" doc:"Most mails that one client address causes in an hour, IPv6 by /64; 0: no limit. Requests from loopback addresses are not counted."`

	PasswordResetExpiration      time.Duration `yaml:"password_reset_expiration" env:"PASSWORD_RESET_EXPIRATION" range:"1..315360000" doc:"Lifetime of the token in a reset mail, seconds."`
	PasswordResetFromName        string        `yaml:"password_reset_from_name" env:"PASSWORD_RESET_FROM_NAME" doc:"Name of the sender of reset mails."`
	PasswordResetFromAddress     string        `yaml:"password_reset_from_address" env:"PASSWORD_RESET_FROM_ADDRESS" doc:"Address of the sender of reset mails, header and envelope."`
	PasswordResetTemplate        string        `yaml:"password_reset_email_template" env:"PASSWORD_RESET_EMAIL_TEMPLATE" doc:"Jinja2 file: text of a reset mail. Absent at its default path, the built-in one counts; so for all templates."`
	PasswordResetSubjectTemplate string        `yaml:"password_reset_email_subject_template" env:"PASSWORD_RESET_EMAIL_SUBJECT_TEMPLATE" doc:"Jinja2 file: subject of a reset mail."`

	ConfirmationExpiration      time.Duration `yaml:"email_confirmation_expiration" env:"EMAIL_CONFIRMATION_EXPIRATION" range:"1..315360000" doc:"Lifetime of the token in a confirmation mail, seconds."`
	ConfirmationFromName        string        `yaml:"email_confirmation_from_name" env:"EMAIL_CONFIRMATION_FROM_NAME" doc:"Name of the sender of confirmation mails."`
	ConfirmationFromAddress     string        `yaml:"email_confirmation_from_address" env:"EMAIL_CONFIRMATION_FROM_ADDRESS" doc:"Address of the sender of confirmation mails, header and envelope."`
	ConfirmationTemplate        string        `yaml:"email_confirmation_template" env:"EMAIL_CONFIRMATION_TEMPLATE" doc:"Jinja2 file: text of a confirmation mail."`
	ConfirmationSubjectTemplate string        `yaml:"email_confirmation_subject_template" env:"EMAIL_CONFIRMATION_SUBJECT_TEMPLATE" doc:"Jinja2 file: subject of a confirmation mail."`
	ConfirmationPageTemplate    string        `yaml:"email_confirmation_get_response_body_template" env:"EMAIL_CONFIRMATION_GET_RESPONSE_BODY_TEMPLATE" doc:"Jinja2 file: the page behind the link of a confirmation mail."`
	ConfirmationPageType        string        `yaml:"email_confirmation_get_mimetype" env:"EMAIL_CONFIRMATION_GET_MIMETYPE" doc:"Content type of that page; text/* is sent as UTF-8."`
}

// SMTP is the mail server: plain SMTP, no TLS, no login.
type SMTP struct {
	Hostname string `yaml:"hostname" env:"HOSTNAME" doc:"Host of the mail server: plain SMTP without a login."`
	Port     int    `yaml:"port" env:"PORT" range:"1..65535" doc:"Port of the mail server."`
}

// templateDir is where the templates of wazo-auth are.
const templateDir = "/var/lib/wazo-auth/templates/"

func defaultMails() Mails {
	const name, address = "wazo-auth", "noreply@wazo.community"
	return Mails{
		SMTP:                         SMTP{Hostname: "localhost", Port: 25},
		Driver:                       "smtp",
		MailsPerRecipient:            10,
		MailsPerAddress:              60,
		PasswordResetExpiration:      48 * time.Hour,
		PasswordResetFromName:        name,
		PasswordResetFromAddress:     address,
		PasswordResetTemplate:        templateDir + "password_reset_email.jinja",
		PasswordResetSubjectTemplate: templateDir + "password_reset_email_subject.jinja",
		ConfirmationExpiration:       48 * time.Hour,
		ConfirmationFromName:         name,
		ConfirmationFromAddress:      address,
		ConfirmationTemplate:         templateDir + "email_confirmation.jinja",
		ConfirmationSubjectTemplate:  templateDir + "email_confirmation_subject.jinja",
		ConfirmationPageTemplate:     templateDir + "email_confirmation_get_body.jinja",
		ConfirmationPageType:         "text/html",
	}
}

var pluginName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`)

func checkMails(m *Mails, p *problems) {
	checkListen("smtp.hostname", m.SMTP.Hostname, p)
	if !pluginName.MatchString(m.Driver) {
		p.add("email_notification_plugin", "must be smtp or the name of a plug-in")
	}
	for key, address := range map[string]string{"password_reset_from_address": m.PasswordResetFromAddress, "email_confirmation_from_address": m.ConfirmationFromAddress} {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
			p.add(key, "must be an e-mail address")
		}
	}
	for key, name := range map[string]string{"password_reset_from_name": m.PasswordResetFromName, "email_confirmation_from_name": m.ConfirmationFromName} {
		if strings.ContainsAny(name, "\r\n") {
			p.add(key, "must be one line")
		}
	}
	if kind, _, err := mime.ParseMediaType(m.ConfirmationPageType); err != nil || !strings.Contains(kind, "/") {
		p.add("email_confirmation_get_mimetype", "must be a content type such as text/html")
	}
	if m.PublicURL == "" {
		return
	}
	u, err := url.Parse(m.PublicURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		p.add("public_url", "must be http:// or https://, a host, and a port and a path if wanted")
	}
}
