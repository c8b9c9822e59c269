package e2e

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bare is the configuration of programs without a stack.
func bare(t *testing.T, uri string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	main := filepath.Join(dir, "config.yml")
	require.NoError(t, os.WriteFile(main, nil, 0o600))
	return map[string]string{"config_file": main, "extra_config_files": dir, "state_dir": dir, "db_uri": uri, "db_connect_retry_timeout_seconds": "30",
		"rest_api.port": "0", "internal.port": "0", "password_hash.memory_kib": "8192", "password_hash.iterations": "1"}
}

func TestMigratingTwiceIsMigratingOnce(t *testing.T) {
	t.Parallel()
	bin := program(t, "xivo-auth")
	settings := env(bare(t, database(t)))
	out, code := command(t, settings, bin, "migrate")
	require.Zero(t, code, out)
	require.Contains(t, out, "applied")
	out, code = command(t, settings, bin, "migrate")
	require.Zero(t, code, out)
	require.Contains(t, out, "up to date")
}

func TestProcessesRefuseAnOldSchemaAndNameTheCommand(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"api", "worker"} {
		out, code := command(t, env(bare(t, database(t))), program(t, name))
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "xivo-auth migrate", name)
	}
}

func TestMigrationAtTheStartIsPossible(t *testing.T) {
	t.Parallel()
	s := &stack{http: http.DefaultClient, common: bare(t, "")}
	s.common["db_uri"] = ""
	path := program(t, "api")
	s.common["db_uri"] = database(t)
	s.common["db_upgrade_on_startup"] = "true"
	s.common["bootstrap_user_on_startup"], s.common["bootstrap_user_username"], s.common["bootstrap_user_password"] = "true", "first", "Wort-"+random(8)
	p := s.process(t, "api", "api", nil)
	require.Equal(t, path, p.path)
	t.Cleanup(func() { s.end(t, p) })
	p.start(t)
	s.awaitAPI(t, p)
	s.secrets, s.password = map[string]bool{}, s.common["bootstrap_user_password"]
	tok := s.login(t, p, "first", nil)
	require.Equal(t, http.StatusNoContent, s.check(t, p, tok.Token, "any.thing"))
	// It made its own key for refresh tokens, in its state folder alone.
	require.NotEmpty(t, s.login(t, p, "first", fields{"access_type": "offline", "client_id": "c"}).RefreshToken)
	info, err := os.Stat(filepath.Join(s.common["state_dir"], "sealing.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestUnknownSettingsAreReported(t *testing.T) {
	t.Parallel()
	path := program(t, "api")
	s := &stack{http: http.DefaultClient, common: bare(t, "")}
	s.common["db_uri"], s.common["db_upgrade_on_startup"], s.common["no_such_thing"] = database(t), "true", "1"
	require.NoError(t, os.WriteFile(s.common["config_file"], []byte("rest_api: {no_such_port: 1}\nfrobnicate: yes\nsmtp: {hostname: x}\n"), 0o600))
	p := s.process(t, "api", "api", nil)
	require.Equal(t, path, p.path)
	t.Cleanup(func() { s.end(t, p) })
	p.start(t)
	s.awaitAPI(t, p)
	text := p.log.String()
	for _, name := range []string{"XIVO_AUTH_NO_SUCH_THING", "rest_api.no_such_port", "frobnicate"} {
		require.Contains(t, text, name)
	}
	require.NotContains(t, text, "hostname", "a key of wazo-auth that is accepted")
}

func TestAllErrorsOfAConfigurationAreToldAtOnce(t *testing.T) {
	t.Parallel()
	settings := map[string]string{"rest_api.port": "70000", "log_level": "loud", "default_token_lifetime": "0", "sealing_keys": "x", "gogc": "many",
		"bootstrap_user_purpose": "fun"}
	all := bare(t, "postgresql://nobody:hush-hush@127.0.0.1:1/x")
	maps.Copy(all, settings)
	out, code := command(t, env(all), program(t, "api"))
	require.Equal(t, 1, code, out)
	for key := range settings {
		require.Contains(t, out, key)
	}
	require.NotContains(t, out, "hush-hush")
}

func TestMissingDatabaseIsWaitedForAndThenNamed(t *testing.T) {
	t.Parallel()
	settings := bare(t, "postgresql://nobody:hush-hush@127.0.0.1:1/x")
	settings["db_connect_retry_timeout_seconds"] = "1"
	began := time.Now()
	out, code := command(t, env(settings), program(t, "api"))
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "the database did not come")
	require.NotContains(t, out, "hush-hush")
	require.Less(t, time.Since(began), bearable)
}

func TestFirstUserIsMadeOnce(t *testing.T) {
	t.Parallel()
	bin := program(t, "xivo-auth")
	settings := bare(t, database(t))
	secret := "Wort-" + random(8)
	settings["bootstrap_user_username"], settings["bootstrap_user_password"] = "first", secret
	out, code := command(t, env(settings), bin, "bootstrap", "initial-user")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "xivo-auth migrate")
	out, code = command(t, env(settings), bin, "migrate")
	require.Zero(t, code, out)
	for _, says := range []string{"made user first", "user first is there already"} {
		out, code = command(t, env(settings), bin, "bootstrap", "initial-user")
		require.Zero(t, code, out)
		require.Contains(t, out, says)
	}
	settings["bootstrap_user_password"] = "another-" + secret
	out, code = command(t, env(settings), bin, "bootstrap", "initial-user")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "exists already with different credential")
	require.NotContains(t, out, secret)

	settings["bootstrap_user_on_startup"] = "true"
	out, code = command(t, env(settings), program(t, "api"))
	require.Equal(t, 1, code, "an API refuses it too: %s", out)
	require.NotContains(t, out, secret)
}
