package config

import (
	"log/slog"
	"strings"
	"time"
)

const (
	defaultConfigFile       = "/etc/xivo-auth/config.yml"
	defaultExtraConfigFiles = "/etc/xivo-auth/conf.d"
)

// LevelCritical is the log level "critical": above every level of slog.
const LevelCritical = slog.LevelError + 4

// Shared is what every process reads.
type Shared struct {
	Installation `yaml:",inline"`
	Files        `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	Log          `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	Database     `yaml:",inline" envPrefix:"XIVO_AUTH_"`
	Runtime      `yaml:",inline" envPrefix:"XIVO_AUTH_"`
}

// Installation says which installation this is.
type Installation struct {
	// UUID is any text; empty means none, shown as null.
	UUID string `yaml:"uuid" env:"XIVO_UUID" doc:"Identifier of the installation, any text: xivo_uuid in tokens, origin_uuid on the bus; without it both are null."`
}

// Files says where the configuration was read from.
type Files struct {
	ConfigFile       string `yaml:"config_file" env:"CONFIG_FILE" doc:"The main configuration file; the option -config-file wins over the variable. In a file the key has no effect."`
	ExtraConfigFiles string `yaml:"extra_config_files" env:"EXTRA_CONFIG_FILES" doc:"Folder whose *.yml files win over the main file; as a key it counts in the main file only."`
}

// Log is how much is logged and in which form.
type Log struct {
	LogLevel  string `yaml:"log_level" env:"LOG_LEVEL" oneof:"critical,error,warning,info,debug" doc:"Least level that is logged, any letter case; used when debug is false."`
	Debug     bool   `yaml:"debug" env:"DEBUG" doc:"Log everything, whatever log_level says."`
	LogFormat string `yaml:"log_format" env:"LOG_FORMAT" oneof:"json,text" doc:"Form of a log line on standard error."`
}

// Level returns the least level that is logged, with debug taken into account.
func (l Log) Level() slog.Level {
	if l.Debug {
		return slog.LevelDebug
	}
	switch strings.ToLower(l.LogLevel) {
	case "critical":
		return LevelCritical
	case "error":
		return slog.LevelError
	case "warning":
		return slog.LevelWarn
	case "debug":
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// Runtime is how the process behaves on its host.
type Runtime struct {
	StateDir         string `yaml:"state_dir" env:"STATE_DIR" doc:"Folder for what a process has to keep, such as a sealing key of its own making."`
	MemoryLimit      Bytes  `yaml:"memory_limit" env:"MEMORY_LIMIT" range:"0..1125899906842624" doc:"Soft limit of the Go heap in bytes, with suffix KiB, MiB, GiB or TiB if wanted; 0 is none."`
	GOGC             int    `yaml:"gogc" env:"GOGC" range:"10..10000" doc:"Growth of the heap in percent before the next garbage collection."`
	ProfilingEnabled bool   `yaml:"profiling_enabled" env:"PROFILING_ENABLED" doc:"Serve Go profiles (pprof) on the internal port."`
}

// Internal is the port for probes and metrics; it is not for clients.
type Internal struct {
	Listen string `yaml:"listen" env:"LISTEN" doc:"Address of the port for /healthz, /readyz and /metrics."`
	Port   int    `yaml:"port" env:"PORT" range:"0..65535" doc:"The port for /healthz, /readyz and /metrics; 0 takes a free one."`
}

// Database is how PostgreSQL is reached.
type Database struct {
	DBURI                 URI           `yaml:"db_uri" env:"DB_URI" doc:"URI of the database; without a database name it is the one named like the role. SQLAlchemy's postgresql+psycopg2:// is accepted."`
	DBConnectRetryTimeout time.Duration `yaml:"db_connect_retry_timeout_seconds" env:"DB_CONNECT_RETRY_TIMEOUT_SECONDS" range:"0..86400" doc:"How long a starting process waits for the database, seconds."`
	DBUpgradeOnStartup    bool          `yaml:"db_upgrade_on_startup" env:"DB_UPGRADE_ON_STARTUP" doc:"Apply the migrations before serving."`
	DBMaxConnections      int           `yaml:"db_max_connections" env:"DB_MAX_CONNECTIONS" range:"2..1000" standard:"4 per core, 10 to 50" doc:"Most connections of one process, beside three for the checks (api) or two for notifications and the turn to publish (worker)."`
}

// Bootstrap is the first user.
type Bootstrap struct {
	BootstrapUserOnStartup  bool   `yaml:"bootstrap_user_on_startup" env:"BOOTSTRAP_USER_ON_STARTUP" doc:"Make the first user at each start, unless it is there."`
	BootstrapUserUsername   string `yaml:"bootstrap_user_username" env:"BOOTSTRAP_USER_USERNAME" doc:"Name of the first user."`
	BootstrapUserPassword   Secret `yaml:"bootstrap_user_password" env:"BOOTSTRAP_USER_PASSWORD" doc:"Password of the first user."`
	BootstrapUserPurpose    string `yaml:"bootstrap_user_purpose" env:"BOOTSTRAP_USER_PURPOSE" oneof:"user,internal,external_api" doc:"Purpose of the first user."`
	BootstrapUserPolicySlug string `yaml:"bootstrap_user_policy_slug" env:"BOOTSTRAP_USER_POLICY_SLUG" doc:"Slug of the policy that the first user gets."`
}

// PasswordHash is the cost of argon2id and how many hashes run at a time.
type PasswordHash struct {
	MemoryKiB   int `yaml:"memory_kib" env:"MEMORY_KIB" range:"8192..1048576" doc:"Memory of one argon2id hash in KiB."`
	Iterations  int `yaml:"iterations" env:"ITERATIONS" range:"1..10" doc:"Passes of argon2id over its memory."`
	Parallelism int `yaml:"parallelism" env:"PARALLELISM" range:"1..4" doc:"Lanes of argon2id."`
	Concurrency int `yaml:"concurrency" env:"CONCURRENCY" range:"1..1024" standard:"cores - 1, at least 1" doc:"Hashes that run at a time; one per core slows down the checks."`
	Queue       int `yaml:"queue" env:"QUEUE" range:"0..10000" doc:"Logins that wait for a hash; more get 503 with Retry-After."`
}

// PasswordPolicy is what new passwords have to be, beyond the one character of wazo-auth.
type PasswordPolicy struct {
	MinLength   int    `yaml:"min_length" env:"MIN_LENGTH" range:"0..256" doc:"Least characters of a new password; 0 is the one of wazo-auth."`
	RefusedFile string `yaml:"refused_file" env:"REFUSED_FILE" doc:"File of passwords that nobody may set, one a line, any letter case, 32 MiB at most; read at the start."`
}
