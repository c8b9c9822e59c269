package config

import (
	"net/url"
	"strings"
	"time"
)

// Sealing is what closes secrets in the database.
type Sealing struct {
	// SealingKeys: the first seals, all of them open. Empty: the process makes
	// one in StateDir.
	SealingKeys []SealingKey `yaml:"sealing_keys" env:"SEALING_KEYS" doc:"Keys that seal refresh tokens and other secrets, each id:base64 of 32 bytes; the first seals, the others still open. API and workers need the same. Without any, one is made in state_dir; several hosts must share theirs."`
}

// PluginPrograms is where plug-ins are, and what they are handed.
type PluginPrograms struct {
	PluginsDir      string                    `yaml:"plugins_dir" env:"PLUGINS_DIR" doc:"Folder of plug-ins: programs backend/<name>, idp/<name>, metadata/<name>, external_auth/<name>, email_notification/<name>. Only enabled ones are started; workers start those of external_auth."`
	PluginSettings  map[string]map[string]any `yaml:"plugin_settings" doc:"What a plug-in is handed when it is loaded: <kind>/<name> to a mapping of its own."`
	PluginChecksums map[string]string         `yaml:"plugin_checksums" doc:"SHA-256 that the program of a plug-in must have: <kind>/<name> to hexadecimal digits; one without is not checked."`
}

// External is what users' accounts with other services need (external.md
// section 11); API and workers must agree on it.
type External struct {
	EnabledExternalAuthPlugins map[string]bool `yaml:"enabled_external_auth_plugins" env:"ENABLED_EXTERNAL_AUTH_PLUGINS" doc:"Types of external accounts by name, true or false; others than google, microsoft and mobile are plug-ins."`
	Google                     OAuth2          `yaml:"google" envPrefix:"GOOGLE_"`
	Microsoft                  OAuth2          `yaml:"microsoft" envPrefix:"MICROSOFT_"`
	SyncWebsocket              string          `yaml:"oauth2_synchronization_ws_url_template" env:"OAUTH2_SYNCHRONIZATION_WS_URL_TEMPLATE" doc:"Websocket where the consents of plug-ins' types arrive; {state} is filled in."`
	SyncRedirect               string          `yaml:"oauth2_synchronization_redirect_url_template" env:"OAUTH2_SYNCHRONIZATION_REDIRECT_URL_TEMPLATE" doc:"Where providers of plug-ins' types send the browser after a consent; {auth_type} is filled in. Plug-ins are handed it."`
	ConsentTimeout             time.Duration   `yaml:"external_consent_timeout_seconds" env:"EXTERNAL_CONSENT_TIMEOUT_SECONDS" range:"5..86400" doc:"How long a user's consent at another service is waited for, seconds."`
	MaxConsents                int             `yaml:"max_external_consents" env:"MAX_EXTERNAL_CONSENTS" range:"1..100000" doc:"Consents that are waited for at a time, of all users; each is a websocket of a worker. Beyond that starting one gives 503. One user has 10 at most, the oldest end."`
}

// OAuth2 is a provider and its part of the synchronisation service.
type OAuth2 struct {
	AuthorizationBaseURL string   `yaml:"authorization_base_url" env:"AUTHORIZATION_BASE_URL" doc:"Page where users consent."`
	RedirectURI          string   `yaml:"redirect_uri" env:"REDIRECT_URI" doc:"Where the provider sends the browser after it: the synchronisation service."`
	Scope                []string `yaml:"scope" env:"SCOPE" doc:"What is asked for when a request names nothing."`
	TokenURL             string   `yaml:"token_url" env:"TOKEN_URL" doc:"Where codes become tokens and tokens are renewed."`
	WebsocketHost        string   `yaml:"websocket_host" env:"WEBSOCKET_HOST" doc:"The synchronisation service: ws:// or wss:// and a host; consents arrive at /ws/<state>."`
}

func defaultExternal() External {
	const sync = "oauth.wazo.io"
	return External{
		EnabledExternalAuthPlugins: map[string]bool{"google": true, "microsoft": true, "mobile": true},
		Google: OAuth2{
			AuthorizationBaseURL: "https://accounts.google.com/o/oauth2/v2/auth",
			RedirectURI:          "https://" + sync + "/google/authorize",
			Scope:                []string{"https://www.googleapis.com/auth/userinfo.profile", "https://www.googleapis.com/auth/contacts"},
			TokenURL:             "https://www.googleapis.com/oauth2/v4/token",
			WebsocketHost:        "wss://" + sync,
		},
		Microsoft: OAuth2{
			AuthorizationBaseURL: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
			RedirectURI:          "https://" + sync + "/microsoft/authorize",
			Scope:                []string{"offline_access", "Contacts.Read"},
			TokenURL:             "https://login.microsoftonline.com/common/oauth2/v2.0/token",
			WebsocketHost:        "wss://" + sync,
		},
		SyncWebsocket:  "wss://" + sync + "/ws/{state}",
		SyncRedirect:   "https://" + sync + "/{auth_type}/authorize",
		ConsentTimeout: 10 * time.Minute,
		MaxConsents:    1000,
	}
}

func checkExternal(e *External, p *problems) {
	for key, o := range map[string]OAuth2{"google": e.Google, "microsoft": e.Microsoft} {
		checkURL(key+".authorization_base_url", o.AuthorizationBaseURL, p, "http", "https")
		checkURL(key+".redirect_uri", o.RedirectURI, p, "http", "https")
		checkURL(key+".token_url", o.TokenURL, p, "http", "https")
		checkURL(key+".websocket_host", o.WebsocketHost, p, "ws", "wss")
	}
	checkURL("oauth2_synchronization_ws_url_template", e.SyncWebsocket, p, "ws", "wss")
	checkURL("oauth2_synchronization_redirect_url_template", e.SyncRedirect, p, "http", "https")
	if !strings.Contains(e.SyncWebsocket, "{state}") {
		p.add("oauth2_synchronization_ws_url_template", "must contain {state}")
	}
}

func checkURL(key, text string, p *problems, schemes ...string) {
	u, err := url.Parse(strings.NewReplacer("{state}", "x", "{auth_type}", "x").Replace(text))
	if err == nil && u.Host != "" && u.User == nil {
		for _, s := range schemes {
			if u.Scheme == s {
				return
			}
		}
	}
	p.add(key, "must be a URL that begins with "+strings.Join(schemes, ":// or ")+"://, without a user")
}
