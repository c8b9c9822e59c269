package config

import "time"

// SAML is single sign-on with the identity providers of tenants.
type SAML struct {
	KeyFile         string        `yaml:"key_file" env:"KEY_FILE" doc:"PEM file of the RSA key that requests to identity providers are signed with, and that opens encrypted assertions; without one all processes share a key that is made once and kept sealed in the database."`
	CertFile        string        `yaml:"cert_file" env:"CERT_FILE" doc:"PEM file of the certificate of that key, which identity providers may be given."`
	ACSURLTemplate  string        `yaml:"acs_url_template" env:"ACS_URL_TEMPLATE" doc:"What GET /backends/saml/acs_url_template answers; clients fill in {{STACK_URL}}."`
	LoginTimeout    time.Duration `yaml:"saml_login_timeout_seconds" env:"SAML_LOGIN_TIMEOUT_SECONDS" range:"1..86400" doc:"How long the identity provider's answer to a login is waited for, seconds."`
	SessionLifetime time.Duration `yaml:"saml_session_lifetime_seconds" env:"SAML_SESSION_LIFETIME_SECONDS" range:"1..31536000" doc:"How long after its beginning a login can be exchanged for a token and logged out, seconds."`
	ClockSkew       time.Duration `yaml:"clock_skew_seconds" env:"CLOCK_SKEW_SECONDS" range:"0..300" doc:"How far an identity provider's clock may be off, seconds."`
	RedirectOrigins []string      `yaml:"redirect_origins" env:"REDIRECT_ORIGINS" doc:"Origins that a login may send the browser to, such as https://app.example.com; without any, all."`
}

func defaultSAML() SAML {
	return SAML{ACSURLTemplate: "https://{{STACK_URL}}/api/auth/0.1/saml/acs", LoginTimeout: 10 * time.Minute, SessionLifetime: 7 * 24 * time.Hour,
		ClockSkew: 5 * time.Second}
}
