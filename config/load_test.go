package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// written makes a folder with a main file and a conf.d and returns the
// environment that names them.
func written(t *testing.T, main string, extra map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yml")
	require.NoError(t, os.WriteFile(path, []byte(main), 0o600))
	confd := filepath.Join(dir, "conf.d")
	require.NoError(t, os.Mkdir(confd, 0o700))
	for name, text := range extra {
		require.NoError(t, os.WriteFile(filepath.Join(confd, name), []byte(text), 0o600))
	}
	return []string{"XIVO_AUTH_CONFIG_FILE=" + path, "XIVO_AUTH_EXTRA_CONFIG_FILES=" + confd}
}

// loadAPI loads and returns the warnings too.
func loadAPI(t *testing.T, environ []string, args ...string) (API, []string, error) {
	t.Helper()
	var warnings []string
	cfg, err := LoadAPI(args, environ, func(msg string) { warnings = append(warnings, msg) })
	return cfg, warnings, err
}

func TestWithoutAnythingTheDefaultsHold(t *testing.T) {
	t.Parallel()
	cfg, warnings, err := loadAPI(t, []string{"HOME=/", "XIVO_UUID="})
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, DefaultAPI(), cfg)
	_, err = LoadWorker(nil, nil, nil)
	require.NoError(t, err)
	_, err = LoadTool(nil, nil, nil)
	require.NoError(t, err)
}

func TestEnvironmentWinsOverExtraFilesOverMainOverDefaults(t *testing.T) {
	t.Parallel()
	environ := written(t, "rest_api: {port: 1, num_proxies: 2, listen: 10.0.0.1}\nlog_level: debug\n", map[string]string{
		"50-b.yml":   "rest_api: {port: 3, num_proxies: 4}",
		"10-a.yml":   "rest_api: {port: 5}",
		".99-h.yml":  "rest_api: {max_body_size: 2MiB}",
		"99-x.yaml":  "rest_api: {max_body_size: 2MiB}",
		"00-note.md": "rest_api: [",
	})
	cfg, warnings, err := loadAPI(t, append(environ, "XIVO_AUTH_LOG_LEVEL=Critical"))
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, 5, cfg.REST.Port, "first extra file")
	require.Equal(t, 4, cfg.REST.NumProxies, "second extra file")
	require.Equal(t, "10.0.0.1", cfg.REST.Listen, "main file")
	require.Equal(t, Bytes(1<<20), cfg.REST.MaxBodySize, "default")
	require.Equal(t, LevelCritical, cfg.Level(), "environment")
}

func TestMappingsMergeIntoDefaultsAndListsOfFilesAreConcatenated(t *testing.T) {
	t.Parallel()
	environ := written(t, `
enabled_backend_plugins: {mock: yes}
rest_api: {cors: {allow_headers: [C]}}
idp_plugins: {ldap: {enabled: false}, other: {enabled: on}}
purpose_metadata_mapping: {user: [m2]}
default_policies:
  one: {acl: [a.b], description: main}
all_users_policies: {one: true}
tenant_default_groups: {g: {policies: {one: true, two: true}}}
backend_policies: {wazo_user: p}
`, map[string]string{"1.yml": `
enabled_backend_plugins: {ldap_user: no}
rest_api: {cors: {allow_headers: [A, B]}}
purpose_metadata_mapping: {user: [m1]}
default_policies:
  one: {description: extra}
  two: {acl: []}
tenant_default_groups: {g: {policies: {two: false}}}
`})
	cfg, warnings, err := loadAPI(t, environ)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, map[string]bool{"wazo_user": true, "ldap_user": false, "mock": true}, cfg.EnabledBackendPlugins)
	require.Equal(t, []string{"A", "B", "C"}, cfg.REST.CORS.AllowHeaders)
	require.Equal(t, map[string]IDPPlugin{"saml": {true, 1}, "ldap": {false, 2}, "other": {true, 100}}, cfg.IDPPlugins)
	require.Equal(t, map[string][]string{"user": {"m1", "m2"}, "internal": {}, "external_api": {}}, cfg.PurposeMetadataMapping)
	require.Equal(t, map[string]Policy{
		"one": {ACL: []string{"a.b"}, Description: "extra"},
		"two": {ACL: []string{}, Description: "Automatically created"},
	}, cfg.DefaultPolicies)
	require.Equal(t, map[string]bool{"one": true}, cfg.AllUsersPolicies)
	require.Equal(t, map[string]Group{"g": {Policies: map[string]bool{"one": true, "two": false}}}, cfg.TenantDefaultGroups)
	require.Equal(t, map[string]string{"wazo_user": "p"}, cfg.BackendPolicies)
}

func TestEnvironmentSetsListsAndSwitchesInsteadOfTheFiles(t *testing.T) {
	t.Parallel()
	environ := written(t, "enabled_backend_plugins: {mock: true}\nrest_api: {cors: {allow_headers: [A]}}\nuuid: from file", nil)
	cfg, _, err := loadAPI(t, append(environ,
		"XIVO_AUTH_ENABLED_BACKEND_PLUGINS=wazo_user:true, ldap_user:false",
		"XIVO_AUTH_REST_API_CORS_ALLOW_HEADERS= X , Y ",
		"XIVO_AUTH_TOKEN_CLEANUP_INTERVAL=2.5",
		"XIVO_AUTH_MEMORY_LIMIT=512MiB",
		"XIVO_AUTH_DEBUG=true",
		"XIVO_AUTH_GOGC=",
		"XIVO_UUID=any text"))
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"wazo_user": true, "ldap_user": false}, cfg.EnabledBackendPlugins)
	require.Equal(t, []string{"X", "Y"}, cfg.REST.CORS.AllowHeaders)
	require.Equal(t, 2500*time.Millisecond, cfg.TokenCleanupInterval)
	require.Equal(t, Bytes(512<<20), cfg.MemoryLimit)
	require.Equal(t, 400, cfg.GOGC, "an empty variable is unset")
	require.Equal(t, "any text", cfg.UUID)
	require.Equal(t, "DEBUG", cfg.Level().String())
}

func TestNullLeavesTheDefaultAndHidesNoSection(t *testing.T) {
	t.Parallel()
	environ := written(t, "rest_api: {port: 7}\nbootstrap_user_purpose: user\n", map[string]string{
		"a.yml": "rest_api:\nbootstrap_user_purpose:\nenabled_backend_plugins: {wazo_user: }\n",
		"b.yml": "",
		"c.yml": "# nothing\n",
		"d.yml": "---\n",
	})
	cfg, warnings, err := loadAPI(t, environ)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, 7, cfg.REST.Port)
	require.Equal(t, "internal", cfg.BootstrapUserPurpose)
	require.True(t, cfg.EnabledBackendPlugins["wazo_user"])
}

func TestMissingAndBrokenFiles(t *testing.T) {
	t.Parallel()
	t.Run("a named main file and folder that are missing are reported", func(t *testing.T) {
		t.Parallel()
		_, warnings, err := loadAPI(t, []string{"XIVO_AUTH_EXTRA_CONFIG_FILES=/nonexistent/d"}, "-config-file", "/nonexistent/f.yml")
		require.NoError(t, err)
		require.Len(t, warnings, 2)
		require.Contains(t, warnings[0], "/nonexistent/f.yml")
		require.Contains(t, warnings[1], "/nonexistent/d")
	})
	t.Run("an extra file with an error is reported and left out", func(t *testing.T) {
		t.Parallel()
		environ := written(t, "", map[string]string{
			"1.yml": "rest_api: {port: \n  'hunter2", "2.yml": "rest_api: {port: 8}", "3.yml": "- a list", "4.yml": "a: 1\n---\nb: 1",
		})
		require.NoError(t, os.Mkdir(filepath.Join(strings.TrimPrefix(environ[1], "XIVO_AUTH_EXTRA_CONFIG_FILES="), "5.yml"), 0o700))
		cfg, warnings, err := loadAPI(t, environ)
		require.NoError(t, err)
		require.Equal(t, 8, cfg.REST.Port)
		require.Len(t, warnings, 4)
		require.NotContains(t, strings.Join(warnings, "\n"), "hunter2")
	})
	t.Run("an error in the main file is fatal", func(t *testing.T) {
		t.Parallel()
		_, _, err := loadAPI(t, written(t, "a: [hunter2\nb: {", nil))
		require.ErrorContains(t, err, "config.yml")
		require.ErrorContains(t, err, "not valid YAML")
		require.NotContains(t, err.Error(), "hunter2")
	})
	t.Run("exec is refused in any file", func(t *testing.T) {
		t.Parallel()
		tag := "uuid: !exec {command: id}\n"
		_, _, err := loadAPI(t, written(t, tag, map[string]string{"1.yml": "\n" + tag}))
		require.ErrorContains(t, err, "config.yml: line 1")
		require.ErrorContains(t, err, "1.yml: line 2")
		require.ErrorContains(t, err, "!exec would run a program")
	})
	t.Run("the main file may name the folder", func(t *testing.T) {
		t.Parallel()
		environ := written(t, "", map[string]string{"1.yml": "uuid: found\nextra_config_files: /nowhere"})
		confd := strings.TrimPrefix(environ[1], "XIVO_AUTH_EXTRA_CONFIG_FILES=")
		path := strings.TrimPrefix(environ[0], "XIVO_AUTH_CONFIG_FILE=")
		require.NoError(t, os.WriteFile(path, []byte("extra_config_files: "+confd), 0o600))
		cfg, _, err := loadAPI(t, nil, "-config-file="+path)
		require.NoError(t, err)
		require.Equal(t, "found", cfg.UUID)
		require.Equal(t, Files{ConfigFile: path, ExtraConfigFiles: confd}, cfg.Files)
	})
}

func TestUnknownNamesWarnAndOthersOfWazoAuthDoNot(t *testing.T) {
	t.Parallel()
	environ := written(t, `
user: wazo-auth
log_filename: /var/log/wazo-auth.log
rest_api: {max_threads: 25, certificate: null, cors: {origins: [a], max_age: 1}, prot: 1}
smtp: {hostname: localhost, port: 25}
google: {scope: [a]}
saml: {domains: {}}
consul: {scheme: http}
relay: {batch: 5}
rest_api.port: 1
amqp: {uri: "amqp://guest:guest@localhost:5672/", vhost: secret}
`, map[string]string{"1.yml": "db_url: secret\nidp: {a: {b: 1}}"})
	cfg, warnings, err := loadAPI(t, append(environ,
		"XIVO_AUTH_REST_API_PROT=secret", "XIVO_AUTH_SMTP_HOSTNAME=localhost", "XIVO_AUTH_RELAY_BATCH=3",
		"XIVO_AUTH_PG_BIN=/usr/bin", "XIVO_AUTH_DEFAULT_POLICIES=x", "XIVO_OTHER=1"))
	require.NoError(t, err)
	require.True(t, cfg.AMQP.BusEnabled())
	all := strings.Join(warnings, "\n")
	require.NotContains(t, all, "secret")
	for _, want := range []string{
		"unknown key db_url in ", "1.yml", "unknown key idp in", "unknown key rest_api.prot in", "config.yml",
		"unknown key rest_api.port in", "unknown key amqp.vhost in", "unknown environment variable XIVO_AUTH_REST_API_PROT",
		"XIVO_AUTH_DEFAULT_POLICIES has no effect",
	} {
		require.Contains(t, all, want)
	}
	require.Len(t, warnings, 7)
}

func TestAllProblemsAreReportedAtOnceWithVariableKeyAndSource(t *testing.T) {
	t.Parallel()
	environ := written(t, `
password_hash: {iterations: 11, memory_kib: [1]}
enabled_backend_plugins: [a]
default_policies: {p: {description: x}, q: {acl: [1]}, r: {acl: [], x: 1}}
idp_plugins: {a: {priority: x}}
tenant_default_groups: {g: 1}
internal: 5
default_token_lifetime: 315360001
rest_api: {cors: {allow_headers: {}}}
log_level: loud
`, map[string]string{"1.yml": "amqp: {exchange_type: ring}"})
	_, _, err := loadAPI(t, append(environ, "XIVO_AUTH_REST_API_PORT=ninety", "XIVO_AUTH_REST_API_LISTEN=127.0.0.1:80",
		"XIVO_AUTH_TOKEN_CLEANUP_INTERVAL=0.5", "XIVO_AUTH_BOOTSTRAP_USER_ON_STARTUP=true", "XIVO_AUTH_PASSWORD_HASH_PARALLELISM=5",
		"XIVO_AUTH_ENABLED_METADATA_PLUGINS=a", "XIVO_AUTH_MEMORY_LIMIT=much", "XIVO_AUTH_DEBUG=maybe", "XIVO_AUTH_STATE_DIR="))
	require.Error(t, err)
	for _, want := range []string{
		"XIVO_AUTH_REST_API_PORT (rest_api.port): must be a whole number, set in the environment",
		"XIVO_AUTH_PASSWORD_HASH_ITERATIONS (password_hash.iterations): must be 1 to 10, set in ",
		"XIVO_AUTH_PASSWORD_HASH_MEMORY_KIB (password_hash.memory_kib): must be a single value",
		"XIVO_AUTH_PASSWORD_HASH_PARALLELISM (password_hash.parallelism): must be 1 to 4",
		"XIVO_AUTH_ENABLED_BACKEND_PLUGINS (enabled_backend_plugins): must be a mapping",
		"XIVO_AUTH_ENABLED_METADATA_PLUGINS (enabled_metadata_plugins): entry 1 must be name:true",
		"default_policies: p: acl is required", "default_policies: q: acl: entry 1: must be text", "default_policies: r: unknown key x",
		"idp_plugins: a: priority: must be a whole number",
		"tenant_default_groups: g: must be a mapping",
		"XIVO_AUTH_INTERNAL_PORT (internal.port): internal must be a mapping",
		"XIVO_AUTH_DEFAULT_TOKEN_LIFETIME (default_token_lifetime): must be 1 to 315360000",
		"XIVO_AUTH_REST_API_CORS_ALLOW_HEADERS (rest_api.cors.allow_headers): must be a list",
		"XIVO_AUTH_LOG_LEVEL (log_level): must be one of critical, error, warning, info, debug",
		"XIVO_AUTH_AMQP_EXCHANGE_TYPE (amqp.exchange_type): must be one of topic", "1.yml",
		"XIVO_AUTH_REST_API_LISTEN (rest_api.listen): must be an address",
		"XIVO_AUTH_TOKEN_CLEANUP_INTERVAL (token_cleanup_interval): must be 1 or more",
		"XIVO_AUTH_BOOTSTRAP_USER_USERNAME (bootstrap_user_username): is required",
		"XIVO_AUTH_BOOTSTRAP_USER_PASSWORD (bootstrap_user_password): is required",
		"XIVO_AUTH_MEMORY_LIMIT (memory_limit): must be a number of bytes",
		"XIVO_AUTH_DEBUG (debug): must be true or false",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestBothPortsOfTheAPIOnOneAddressMustDiffer(t *testing.T) {
	t.Parallel()
	_, err := LoadAPI(nil, []string{"XIVO_AUTH_INTERNAL_PORT=9497"}, nil)
	require.ErrorContains(t, err, "XIVO_AUTH_INTERNAL_PORT (internal.port): must differ")
	_, err = LoadAPI(nil, []string{"XIVO_AUTH_INTERNAL_PORT=9497", "XIVO_AUTH_INTERNAL_LISTEN=127.0.0.2"}, nil)
	require.NoError(t, err)
}

func TestWorkerChecks(t *testing.T) {
	t.Parallel()
	_, err := LoadWorker(nil, []string{
		"XIVO_AUTH_TEMPORAL_ADDRESS=here", "XIVO_AUTH_TEMPORAL_TLS_CERT_FILE=c.pem", "XIVO_AUTH_RELAY_POLL_INTERVAL_SECONDS=NaN",
		"XIVO_AUTH_AUDIT_INTERVAL_SECONDS=1", "XIVO_AUTH_WORKER_MAX_CONCURRENT_WORKFLOW_TASKS=1",
	}, nil)
	for _, want := range []string{"temporal.address", "temporal.tls.key_file", "relay.poll_interval_seconds", "audit.interval_seconds", "worker.max_concurrent_workflow_tasks"} {
		require.ErrorContains(t, err, "("+want+")")
	}
	cfg, err := LoadWorker(nil, []string{"XIVO_AUTH_TEMPORAL_API_KEY=k", "XIVO_AUTH_RELAY_POLL_INTERVAL_SECONDS=0.5"}, nil)
	require.NoError(t, err)
	require.True(t, cfg.Temporal.UseTLS())
	require.False(t, DefaultWorker().Temporal.UseTLS())
	require.Equal(t, 500*time.Millisecond, cfg.Relay.PollInterval)
	_, err = LoadWorker(nil, []string{"XIVO_AUTH_TEMPORAL_TLS_KEY_FILE=k.pem"}, nil)
	require.ErrorContains(t, err, "temporal.tls.cert_file")
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-unknown"}, {"surplus"}, {"-config-file"}} {
		_, err := LoadTool(args, nil, nil)
		require.ErrorContains(t, err, "command line", args)
	}
	var out strings.Builder
	cfg := DefaultAPI()
	l := loader{program: "api", process: &cfg, files: &cfg.Files, stdout: &out}
	require.ErrorIs(t, l.load([]string{"-help"}, []string{"XIVO_AUTH_BOOTSTRAP_USER_PASSWORD=hunter2"}), flag.ErrHelp)
	for _, s := range settings(&cfg) {
		require.Contains(t, out.String(), "\n"+s.key+"\n    "+s.variable)
		require.NotEmpty(t, s.doc, s.key)
	}
	require.Contains(t, out.String(), "XIVO_AUTH_REST_API_PORT  default: 9497  (0 to 65535)")
	require.NotContains(t, out.String(), "hunter2")
}

func TestVariablesAreTheKeysInCapitals(t *testing.T) {
	t.Parallel()
	for _, d := range describe() {
		if d.key != "uuid" && d.variable != "" {
			require.Equal(t, variableOf(d.key), d.variable)
		}
		require.Empty(t, d.within(), "default of %s", d.key)
	}
}

func ExampleLoadAPI() {
	cfg, err := LoadAPI(nil, []string{"XIVO_AUTH_REST_API_PORT=9500", "XIVO_AUTH_DEFAULT_TOKEN_LIFETIME=600"}, nil)
	fmt.Println(cfg.REST.Port, cfg.DefaultTokenLifetime, err)
	// Output: 9500 10m0s <nil>
}
