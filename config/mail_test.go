package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMailsAreConfiguredAsInTheFilesOfTheReference(t *testing.T) {
	t.Parallel()
	environ := written(t, `
smtp: {hostname: mail.example.com, port: 2525}
email_notification_plugin: smtp
password_reset_expiration: 60
email_confirmation_from_name: Us
email_confirmation_get_mimetype: text/plain
public_url: https://auth.example.com:8443/api/auth
`, nil)
	cfg, warnings, err := loadAPI(t, append(environ, "XIVO_AUTH_SMTP_PORT=26", "XIVO_AUTH_MAILS_PER_RECIPIENT=0"))
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, SMTP{Hostname: "mail.example.com", Port: 26}, cfg.SMTP)
	require.Equal(t, time.Minute, cfg.PasswordResetExpiration)
	require.Equal(t, "Us", cfg.ConfirmationFromName)
	require.Equal(t, "text/plain", cfg.ConfirmationPageType)
	require.Zero(t, cfg.MailsPerRecipient)
	require.Equal(t, 60, cfg.MailsPerAddress)
}

func TestWrongSettingsOfMailsAreNamed(t *testing.T) {
	t.Parallel()
	for text, key := range map[string]string{
		"email_notification_plugin: no/name":               "email_notification_plugin",
		"smtp: {port: 0}":                                  "smtp.port",
		"smtp: {hostname: 'a b'}":                          "smtp.hostname",
		"public_url: auth.example.com":                     "public_url",
		"public_url: ftp://auth.example.com":               "public_url",
		"public_url: 'https://me:secret@auth.example.com'": "public_url",
		"public_url: 'https://auth.example.com/?x=y'":      "public_url",
		"password_reset_from_address: nobody":              "password_reset_from_address",
		"email_confirmation_from_address: 'a@b.c, d@e.f'":  "email_confirmation_from_address",
		"email_confirmation_from_name: \"a\\nBcc: b@c.d\"": "email_confirmation_from_name",
		"email_confirmation_get_mimetype: html":            "email_confirmation_get_mimetype",
		"email_confirmation_expiration: 0":                 "email_confirmation_expiration",
	} {
		_, _, err := loadAPI(t, written(t, text, nil))
		require.ErrorContains(t, err, key, text)
		require.NotContains(t, err.Error(), "secret")
	}
}
