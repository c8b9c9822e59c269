package config

import "time"

// REST is the HTTP server for clients.
type REST struct {
	Listen          string        `yaml:"listen" env:"LISTEN" doc:"Address of the REST API."`
	Port            int           `yaml:"port" env:"PORT" range:"0..65535" doc:"Port of the REST API; 0 takes a free one."`
	NumProxies      int           `yaml:"num_proxies" env:"NUM_PROXIES" range:"0..10" doc:"How many reverse proxies to believe for X-Forwarded-For, -Proto and -Host."`
	CORS            CORS          `yaml:"cors" envPrefix:"CORS_"`
	MaxBodySize     Bytes         `yaml:"max_body_size" env:"MAX_BODY_SIZE" range:"1024..67108864" doc:"Longest request body in bytes, with suffix KiB or MiB if wanted."`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout_seconds" env:"SHUTDOWN_TIMEOUT_SECONDS" range:"0..600" doc:"How long a stopping process lets running requests finish, seconds."`
}

// CORS is what browsers of other origins may do.
type CORS struct {
	Enabled      bool     `yaml:"enabled" env:"ENABLED" doc:"Answer cross-origin requests of browsers."`
	AllowHeaders []string `yaml:"allow_headers" env:"ALLOW_HEADERS" doc:"Request headers that a cross-origin request may carry."`
}

// Tokens is how tokens are made and kept.
type Tokens struct {
	DefaultTokenLifetime      time.Duration `yaml:"default_token_lifetime" env:"DEFAULT_TOKEN_LIFETIME" range:"1..315360000" doc:"Lifetime of a token when the request names none, seconds."`
	MaxUserConcurrentSessions int           `yaml:"max_user_concurrent_sessions" env:"MAX_USER_CONCURRENT_SESSIONS" range:"0..1000000" doc:"Sessions that one user may have; the next login gets 429. Purposes user and external_api only."`
	TokenCleanupInterval      time.Duration `yaml:"token_cleanup_interval" env:"TOKEN_CLEANUP_INTERVAL" range:"-1000000..86400" doc:"How long before its expiry a token is announced on the bus, seconds; 0 or less: never. Expired tokens go in any case. Between 0 and 1 is refused."`
	DefaultUserPolicy         string        `yaml:"default_user_policy" env:"DEFAULT_USER_POLICY" doc:"Name of a policy whose accesses every token gets in addition."`
	Sealing                   `yaml:",inline"`
}

// LoginThrottle slows down the guessing of passwords.
type LoginThrottle struct {
	Enabled         bool          `yaml:"enabled" env:"ENABLED" doc:"Refuse attempts with a password after too many failures."`
	Failures        int           `yaml:"failures" env:"FAILURES" range:"1..10000" doc:"Failures of one login from one address until its attempts are slowed down; as many are judged at a time."`
	Window          time.Duration `yaml:"window_seconds" env:"WINDOW_SECONDS" range:"1..86400" doc:"Time in which those failures count together, seconds."`
	FirstWait       time.Duration `yaml:"first_wait_seconds" env:"FIRST_WAIT_SECONDS" range:"0.1..3600" doc:"Wait after the failure that reaches the number, seconds; it doubles with each further one."`
	LongestWait     time.Duration `yaml:"longest_wait_seconds" env:"LONGEST_WAIT_SECONDS" range:"0.1..86400" doc:"Longest such wait, seconds."`
	AddressFailures int           `yaml:"address_failures" env:"ADDRESS_FAILURES" range:"1..1000000" doc:"Failures from one address, whatever the login, until all its attempts are refused; loopback is exempt. IPv6 addresses count by their /64."`
	AddressWindow   time.Duration `yaml:"address_window_seconds" env:"ADDRESS_WINDOW_SECONDS" range:"1..86400" doc:"Time in which those failures count together, and after which they are forgotten, seconds."`
}

// Plugins is what is switched on, kind by kind.
type Plugins struct {
	EnabledHTTPPlugins     map[string]bool      `yaml:"enabled_http_plugins" env:"ENABLED_HTTP_PLUGINS" doc:"Parts of the REST interface by wazo-auth's names, true or false; the routes of one that is off are not there (404). user_registration is the only one off by default."`
	EnabledBackendPlugins  map[string]bool      `yaml:"enabled_backend_plugins" env:"ENABLED_BACKEND_PLUGINS" doc:"Backends by name, true or false."`
	EnabledMetadataPlugins map[string]bool      `yaml:"enabled_metadata_plugins" env:"ENABLED_METADATA_PLUGINS" doc:"Metadata plug-ins by name, true or false."`
	PurposeMetadataMapping map[string][]string  `yaml:"purpose_metadata_mapping" doc:"Further metadata plug-ins of a purpose: purpose to list of names."`
	IDPPlugins             map[string]IDPPlugin `yaml:"idp_plugins" doc:"Identity providers: name to enabled (false) and priority (100), tried by rising priority."`
	PluginPrograms         `yaml:",inline"`
	BackendPolicies        map[string]string `yaml:"backend_policies" doc:"Deprecated: name of a backend to name of a policy; wins over default_user_policy."`
}

// IDPPlugin switches one identity provider on or off and ranks it.
type IDPPlugin struct {
	Enabled bool
	// Priority: the lower one is asked first.
	Priority int
}

// AMQP is the message bus.
type AMQP struct {
	URI          URI    `yaml:"uri" env:"URI" doc:"URI of the message bus; without it nothing is published. The path names the virtual host."`
	ExchangeName string `yaml:"exchange_name" env:"EXCHANGE_NAME" doc:"Exchange that events are published to; it is declared, durable, on each connection."`
	ExchangeType string `yaml:"exchange_type" env:"EXCHANGE_TYPE" oneof:"topic,headers,direct,fanout" doc:"Type of that exchange."`
}

// BusEnabled reports whether a bus was configured by file or environment.
func (a AMQP) BusEnabled() bool { return a.URI != "" }

// Notice is how long before its expiry "expires soon" is told of a token; 0 means never. Without a bus nobody is told.
func (a API) Notice() time.Duration {
	if !a.AMQP.BusEnabled() {
		return 0
	}
	return max(0, a.TokenCleanupInterval)
}

// Content is what is made or kept in the database at each start.
type Content struct {
	UpdatePolicyOnStartup bool              `yaml:"update_policy_on_startup" env:"UPDATE_POLICY_ON_STARTUP" doc:"Bring the database in line with the three keys below at each start of an API process; new tenants get what they name in any case."`
	DefaultPolicies       map[string]Policy `yaml:"default_policies" doc:"Policies of the top tenant: slug to acl (list, required) and description."`
	AllUsersPolicies      map[string]bool   `yaml:"all_users_policies" env:"ALL_USERS_POLICIES" doc:"Policies of every tenant's group of all users: slug, true or false."`
	TenantDefaultGroups   map[string]Group  `yaml:"tenant_default_groups" doc:"Groups of every tenant: slug to policies (slug to true or false)."`
}

// Policy is one entry of default_policies.
type Policy struct {
	ACL         []string
	Description string
}

// Group is one entry of tenant_default_groups: policies that are attached
// (true) or taken away (false); those not named are left as they are.
type Group struct {
	Policies map[string]bool
}
