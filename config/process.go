package config

import (
	"runtime"
	"time"
)

// API is the configuration of cmd/api.
type API struct {
	Shared         `yaml:",inline"`
	Internal       Internal `yaml:"internal" envPrefix:"XIVO_AUTH_INTERNAL_"`
	REST           REST     `yaml:"rest_api" envPrefix:"XIVO_AUTH_REST_API_"`
	Tokens         `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	PasswordHash   PasswordHash   `yaml:"password_hash" envPrefix:"XIVO_AUTH_PASSWORD_HASH_"`
	PasswordPolicy PasswordPolicy `yaml:"password_policy" envPrefix:"XIVO_AUTH_PASSWORD_POLICY_"`
	LoginThrottle  LoginThrottle  `yaml:"login_throttle" envPrefix:"XIVO_AUTH_LOGIN_THROTTLE_"`
	Plugins        `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	AMQP           AMQP `yaml:"amqp" envPrefix:"XIVO_AUTH_AMQP_"`
	Mails          `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	Bootstrap      `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	Content        `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	External       `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	SAML           SAML `yaml:"saml" envPrefix:"XIVO_AUTH_SAML_"`
}

// Worker is the configuration of cmd/worker.
type Worker struct {
	Shared         `yaml:",inline"`
	Internal       Internal       `yaml:"internal" envPrefix:"XIVO_AUTH_INTERNAL_"`
	Temporal       Temporal       `yaml:"temporal" envPrefix:"XIVO_AUTH_TEMPORAL_"`
	Relay          Relay          `yaml:"relay" envPrefix:"XIVO_AUTH_RELAY_"`
	Audit          Audit          `yaml:"audit" envPrefix:"XIVO_AUTH_AUDIT_"`
	Trail          Trail          `yaml:"trail" envPrefix:"XIVO_AUTH_TRAIL_"`
	Worker         TemporalWorker `yaml:"worker" envPrefix:"XIVO_AUTH_WORKER_"`
	AMQP           AMQP           `yaml:"amqp" envPrefix:"XIVO_AUTH_AMQP_"`
	Sealing        `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	PluginPrograms `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	External       `yaml:",inline" envPrefix:"XIVO_AUTH_"`
}

// Tool is the configuration of cmd/xivo-auth, the operator's command line.
type Tool struct {
	Shared       `yaml:",inline"`
	PasswordHash PasswordHash `yaml:"password_hash" envPrefix:"XIVO_AUTH_PASSWORD_HASH_"`
	AMQP         AMQP         `yaml:"amqp" envPrefix:"XIVO_AUTH_AMQP_"`
	Bootstrap    `yaml:",inline" envPrefix:"XIVO_AUTH_"`
}

// DefaultAPI returns the built-in configuration of the API process.
func DefaultAPI() API {
	return API{
		Shared:   defaultShared(),
		Internal: Internal{Listen: "127.0.0.1", Port: 9597},
		REST: REST{
			Listen:     "127.0.0.1",
			Port:       9497,
			NumProxies: 1,
			CORS: CORS{
				Enabled:      true,
				AllowHeaders: []string{"Content-Type", "Authorization", "X-Auth-Token", "Wazo-Tenant", "Wazo-Session-Type"},
			},
			MaxBodySize:     1 << 20,
			ShutdownTimeout: 10 * time.Second,
		},
		Tokens: Tokens{
			DefaultTokenLifetime:      2 * time.Hour,
			MaxUserConcurrentSessions: 100,
			TokenCleanupInterval:      time.Minute,
		},
		PasswordHash: defaultPasswordHash(),
		LoginThrottle: LoginThrottle{Enabled: true, Failures: 10, Window: 15 * time.Minute, FirstWait: time.Second, LongestWait: 5 * time.Minute,
			AddressFailures: 300, AddressWindow: 5 * time.Minute},
		Plugins: Plugins{
			EnabledHTTPPlugins:     defaultHTTPPlugins(),
			EnabledBackendPlugins:  map[string]bool{"ldap_user": true, "wazo_user": true},
			EnabledMetadataPlugins: map[string]bool{"default_user": true, "default_internal": true, "default_external_api": true},
			PurposeMetadataMapping: map[string][]string{"user": {}, "internal": {}, "external_api": {}},
			IDPPlugins: map[string]IDPPlugin{
				"saml": {Enabled: true, Priority: 1},
				"ldap": {Enabled: true, Priority: 2},
			},
			PluginPrograms:  defaultPluginPrograms(),
			BackendPolicies: map[string]string{},
		},
		AMQP:      defaultAMQP(),
		Mails:     defaultMails(),
		Bootstrap: defaultBootstrap(),
		Content: Content{
			UpdatePolicyOnStartup: true,
			DefaultPolicies:       map[string]Policy{},
			AllUsersPolicies:      map[string]bool{},
			TenantDefaultGroups:   map[string]Group{},
		},
		External: defaultExternal(),
		SAML:     defaultSAML(),
	}
}

// DefaultWorker returns the built-in configuration of the worker process.
func DefaultWorker() Worker {
	w := Worker{
		Shared:   defaultShared(),
		Internal: Internal{Listen: "127.0.0.1", Port: 9697},
		Temporal: Temporal{Address: "127.0.0.1:7233", Namespace: "default"},
		Relay:    Relay{Concurrency: 16, Batch: 64, PollInterval: time.Second, Lease: 30 * time.Second},
		Audit:    Audit{Interval: 10 * time.Minute, Grace: 5 * time.Minute},
		Trail:    Trail{RetentionDays: 365},
		Worker: TemporalWorker{
			MaxConcurrentWorkflowTasks:   64,
			MaxConcurrentActivities:      16,
			MaxConcurrentLocalActivities: 32,
		},
		AMQP:           defaultAMQP(),
		PluginPrograms: defaultPluginPrograms(),
		External:       defaultExternal(),
	}
	w.GOGC = 100 // it is no hot path, and 20,000 sleeping lifetimes are to cost it little memory
	return w
}

// DefaultTool returns the built-in configuration of the command line.
func DefaultTool() Tool {
	return Tool{
		Shared:       defaultShared(),
		PasswordHash: defaultPasswordHash(),
		AMQP:         defaultAMQP(),
		Bootstrap:    defaultBootstrap(),
	}
}

func defaultShared() Shared {
	return Shared{
		Files:    Files{ConfigFile: defaultConfigFile, ExtraConfigFiles: defaultExtraConfigFiles},
		Log:      Log{LogLevel: "info", LogFormat: "json"},
		Database: defaultDatabase(),
		Runtime:  Runtime{StateDir: "/var/lib/xivo-auth", GOGC: 400},
	}
}

func defaultDatabase() Database {
	return Database{
		DBURI:                 "postgresql://xivo_auth@localhost/xivo_auth",
		DBConnectRetryTimeout: 5 * time.Minute,
		DBMaxConnections:      min(max(10, 4*runtime.NumCPU()), 50),
	}
}

func defaultPasswordHash() PasswordHash {
	return PasswordHash{
		MemoryKiB:   19456,
		Iterations:  2,
		Parallelism: 1,
		Concurrency: max(1, runtime.NumCPU()-1),
		Queue:       64,
	}
}

// defaultHTTPPlugins are all parts of the REST interface by wazo-auth's names for them.
func defaultHTTPPlugins() map[string]bool {
	plugins := map[string]bool{"user_registration": false}
	for _, name := range []string{"api", "backends", "config", "email_confirm", "external", "group_policy", "groups", "idp", "ldap_config",
		"password_reset", "policies", "saml", "saml_config", "sessions", "status", "tenants", "tokens", "user_email", "user_group",
		"user_policy", "user_session", "users"} {
		plugins[name] = true
	}
	return plugins
}

func defaultPluginPrograms() PluginPrograms {
	return PluginPrograms{PluginSettings: map[string]map[string]any{}, PluginChecksums: map[string]string{}}
}

func defaultAMQP() AMQP { return AMQP{ExchangeName: "xivo", ExchangeType: "topic"} }

func defaultBootstrap() Bootstrap {
	return Bootstrap{
		BootstrapUserPurpose:    "internal",
		BootstrapUserPolicySlug: "wazo_default_master_user_policy",
	}
}
