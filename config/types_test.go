package config

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestSecretsAreNeverShown(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte("S"), 32)
	encoded := base64.StdEncoding.EncodeToString(raw)
	environ := []string{
		"XIVO_AUTH_DB_URI=postgresql://role:hunter2@db/name?password=hunter2",
		"XIVO_AUTH_AMQP_URI=amqp://guest:hunter2@mq/",
		"XIVO_AUTH_BOOTSTRAP_USER_PASSWORD=hunter2",
		"XIVO_AUTH_SEALING_KEYS=k1:" + encoded,
	}
	cfg, err := LoadAPI(nil, environ, nil)
	require.NoError(t, err)
	worker, err := LoadWorker(nil, []string{"XIVO_AUTH_TEMPORAL_API_KEY=hunter2"}, nil)
	require.NoError(t, err)
	require.Equal(t, "hunter2", cfg.BootstrapUserPassword.Reveal())
	require.Equal(t, [32]byte(raw), cfg.SealingKeys[0].Key)

	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb, cfg, worker)
		fmt.Fprintf(&out, verb+verb+verb, cfg.BootstrapUserPassword, cfg.DBURI, cfg.SealingKeys)
	}
	require.NoError(t, json.NewEncoder(&out).Encode(cfg))
	require.NoError(t, json.NewEncoder(&out).Encode(worker))
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("x", "p", cfg.BootstrapUserPassword, "u", cfg.DBURI, "k", cfg.SealingKeys[0], "c", cfg)
	}
	for _, secret := range []string{"hunter2", fmt.Sprintf("%x", "hunter2"), encoded, strings.Repeat("83 ", 8), strings.Repeat("0x53", 4), strings.Repeat("5353", 4), "SSSS"} {
		require.NotContains(t, out.String(), secret)
	}
	require.Equal(t, "postgresql://role:***@db/name", cfg.DBURI.String())
	require.Equal(t, "***", URI("postgresql://a:b%zz@c").String())
	require.Equal(t, "***", URI("hunter2").String())
	require.Empty(t, URI("").String()+Secret("").String())
}

func TestErrorsNeverShowSecrets(t *testing.T) {
	t.Parallel()
	short := base64.StdEncoding.EncodeToString([]byte("hunter2"))
	for _, entry := range []string{
		"XIVO_AUTH_DB_URI=postgresql://role:hunter2%zz@db/name", "XIVO_AUTH_DB_URI=hunter2:x", "XIVO_AUTH_DB_URI=mysql://a:hunter2@b/",
		"XIVO_AUTH_AMQP_URI=amqp://guest:hunter2%@mq/", "XIVO_AUTH_AMQP_URI=hunter2",
		"XIVO_AUTH_SEALING_KEYS=hunter2", "XIVO_AUTH_SEALING_KEYS=id:" + short, "XIVO_AUTH_SEALING_KEYS=" + short + ":hunter2",
	} {
		_, err := LoadAPI(nil, []string{entry}, nil)
		require.Error(t, err, entry)
		name, _, _ := strings.Cut(entry, "=")
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), short)
	}
}

func TestSealingKeys(t *testing.T) {
	t.Parallel()
	key := func(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }
	keys, err := parseSealingKeys([]string{"new:" + key(0xff), " old:" + strings.TrimRight(key(1), "=")})
	require.NoError(t, err)
	require.Equal(t, "new", keys[0].ID)
	require.Equal(t, byte(1), keys[1].Key[31])
	url := base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, 32))
	keys, err = parseSealingKeys([]string{"u:" + url})
	require.NoError(t, err)
	require.Equal(t, byte(0xfb), keys[0].Key[0])
	_, err = parseSealingKeys([]string{"a:" + key(1), "a:" + key(2)})
	require.ErrorContains(t, err, "entry 2 has the id of an earlier one")
	_, err = parseSealingKeys(make([]string, 17))
	require.ErrorContains(t, err, "at most 16")

	cfg, _, err := loadAPI(t, written(t, "sealing_keys:\n- a:"+key(1)+"\n- b:"+key(2)+"\n", nil))
	require.NoError(t, err)
	require.Len(t, cfg.SealingKeys, 2)
}

func TestDSN(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"postgresql://asterisk:proformatique@localhost/asterisk?application_name=wazo-auth": "postgresql://asterisk:proformatique@localhost/asterisk?application_name=wazo-auth",
		"postgresql+psycopg2://role:p%40ss@db:5433/name":                                    "postgresql://role:p%40ss@db:5433/name",
		"postgresql://role:pw@db":                       "postgresql://role:pw@db/role",
		"postgres://role@db/?sslmode=disable":           "postgresql://role@db/role?sslmode=disable",
		"postgresql:///name?host=/run/pg&keepalives=1":  "postgresql:///name?host=%2Frun%2Fpg",
		"postgresql://role@/?host=/run/pg":              "postgresql://role@/role?host=%2Frun%2Fpg",
		string(DefaultAPI().DBURI):                      string(DefaultAPI().DBURI),
		"postgresql://role@db:5432?dbname=elsewhere":    "postgresql://role@db:5432?dbname=elsewhere",
		"postgresql://role@[::1]:5432/n?sslmode=prefer": "postgresql://role@[::1]:5432/n?sslmode=prefer",
	} {
		dsn := Database{DBURI: URI(uri)}.DSN()
		require.Equal(t, want, dsn)
		parsed, err := pgx.ParseConfig(dsn)
		require.NoError(t, err)
		require.NotEmpty(t, parsed.Database)
		require.NotContains(t, parsed.RuntimeParams, "keepalives")
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Bytes{"0": 0, "17": 17, "1KiB": 1024, " 2 MiB ": 2 << 20,
		"3GiB": 3 << 30, "1TiB": 1 << 40, "5B": 5} {
		got, err := parseBytes(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		again, err := parseBytes(got.String())
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
	for _, text := range []string{"", "MiB", "-1", "1.5MiB", "9223372036854775807TiB", "1MB"} {
		_, err := parseBytes(text)
		require.Error(t, err, text)
	}
}
