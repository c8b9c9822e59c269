package config

import "time"

// Temporal is how the engine of the workflows is reached.
type Temporal struct {
	Address   string      `yaml:"address" env:"ADDRESS" doc:"Address of the Temporal frontend, host:port."`
	Namespace string      `yaml:"namespace" env:"NAMESPACE" doc:"Namespace of the workflows."`
	APIKey    Secret      `yaml:"api_key" env:"API_KEY" doc:"API key of a managed cluster; turns TLS on."`
	TLS       TemporalTLS `yaml:"tls" envPrefix:"TLS_"`
}

// UseTLS reports whether the connection is encrypted: by wish, or because an
// API key or a file of a certificate was given.
func (t Temporal) UseTLS() bool {
	return t.TLS.Enabled || t.APIKey != "" || t.TLS.CertFile != "" || t.TLS.CAFile != ""
}

// TemporalTLS is the encryption of the connection to Temporal.
type TemporalTLS struct {
	Enabled    bool   `yaml:"enabled" env:"ENABLED" doc:"Connect with TLS; an API key or a certificate file turns it on too."`
	CertFile   string `yaml:"cert_file" env:"CERT_FILE" doc:"PEM file of the client certificate; goes with key_file."`
	KeyFile    string `yaml:"key_file" env:"KEY_FILE" doc:"PEM file of the client certificate's key."`
	CAFile     string `yaml:"ca_file" env:"CA_FILE" doc:"PEM file of the authorities to trust instead of the system's."`
	ServerName string `yaml:"server_name" env:"SERVER_NAME" doc:"Name that the server's certificate must bear; without it the host of the address."`
}

// Relay is how due lifetimes are carried to Temporal.
type Relay struct {
	Concurrency  int           `yaml:"concurrency" env:"CONCURRENCY" range:"1..256" doc:"Calls to Temporal at a time."`
	Batch        int           `yaml:"batch" env:"BATCH" range:"1..1000" doc:"Rows leased at once."`
	PollInterval time.Duration `yaml:"poll_interval_seconds" env:"POLL_INTERVAL_SECONDS" range:"0.05..60" doc:"Time between looks at the table when no notification comes, seconds."`
	Lease        time.Duration `yaml:"lease_seconds" env:"LEASE_SECONDS" range:"5..600" doc:"How long a leased row is kept from other workers, seconds."`
}

// Audit is the periodic comparison of tokens and workflows.
type Audit struct {
	Interval time.Duration `yaml:"interval_seconds" env:"INTERVAL_SECONDS" range:"10..86400" doc:"Time between two audits, seconds."`
	Grace    time.Duration `yaml:"grace_seconds" env:"GRACE_SECONDS" range:"1..86400" doc:"An audit leaves alone what is younger than this, seconds."`
}

// Trail is how long the record of changes is kept.
type Trail struct {
	RetentionDays int `yaml:"retention_days" env:"RETENTION_DAYS" range:"0..36500" doc:"Days that an entry of the trail is kept; 0 keeps all. The audits delete older ones."`
}

// TemporalWorker is how much the Temporal worker does at a time.
type TemporalWorker struct {
	MaxConcurrentWorkflowTasks   int `yaml:"max_concurrent_workflow_tasks" env:"MAX_CONCURRENT_WORKFLOW_TASKS" range:"2..10000" doc:"Workflow tasks at a time."`
	MaxConcurrentActivities      int `yaml:"max_concurrent_activities" env:"MAX_CONCURRENT_ACTIVITIES" range:"1..10000" doc:"Activities at a time."`
	MaxConcurrentLocalActivities int `yaml:"max_concurrent_local_activities" env:"MAX_CONCURRENT_LOCAL_ACTIVITIES" range:"1..10000" doc:"Local activities at a time."`
}
