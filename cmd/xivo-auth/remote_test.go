package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/client"
)

// folder makes a folder of settings.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func TestStrongerSourcesWinKeyByKey(t *testing.T) {
	t.Parallel()
	whole := map[string]string{
		"010.yml": "auth: {host: first, https: true}",
		"020.yml": "auth: {host: second, port: 1234, prefix: /api/auth, username: u, password: p, backend: b, verify_certificate: false}",
		"030.txt": "auth: {cacert: [",
	}
	for name, tt := range map[string]struct {
		options remote
		env     map[string]string
		files   map[string]string
		want    remote
	}{
		"nothing": {want: remote{url: "http://127.0.0.1:9497"}},
		"files, the first one that says something": {files: whole, want: remote{url: "https://first:1234/api/auth", username: "u", password: "p", backend: "b", insecure: true}},
		"the environment over files": {files: whole, env: map[string]string{"XIVO_AUTH_URL": "http://e", "XIVO_AUTH_USERNAME": "u", "XIVO_AUTH_PASSWORD": "secret", "XIVO_AUTH_TOKEN": "t"},
			want: remote{url: "http://e", token: "t", username: "u", password: "secret", backend: "b", insecure: true}},
		"options over the environment": {options: remote{url: "http://o", token: "o"}, env: map[string]string{"XIVO_AUTH_URL": "http://e", "XIVO_AUTH_TOKEN": "t"}, want: remote{url: "http://o", token: "o"}},
		"a user by option is not the variable's token": {options: remote{username: "me"}, env: map[string]string{"XIVO_AUTH_TOKEN": "t", "XIVO_AUTH_PASSWORD": "mine"},
			want: remote{url: "http://127.0.0.1:9497", username: "me", password: "mine"}},
		"a file's password is not for somebody else": {options: remote{username: "me"}, files: whole, want: remote{url: "https://first:1234/api/auth", username: "me", backend: "b", insecure: true}},
		"a password alone may come from another file": {files: map[string]string{"1.yml": "auth: {password: p}", "2.yml": "auth: {username: u}"},
			want: remote{url: "http://127.0.0.1:9497", username: "u", password: "p"}},
		"parts of the address by option": {options: remote{host: "::1", http: "x"}, files: whole, env: map[string]string{"XIVO_AUTH_URL": "http://e"},
			want: remote{url: "http://[::1]:1234/api/auth", username: "u", password: "p", backend: "b", insecure: true}},
		"HTTPS by option":           {options: remote{https: "x", port: "443"}, want: remote{url: "https://127.0.0.1:443"}},
		"verify over a file":        {options: remote{verify: true}, files: whole, want: remote{url: "https://first:1234/api/auth", username: "u", password: "p", backend: "b"}},
		"authorities of a file":     {files: map[string]string{"1.yml": "auth: {verify_certificate: /ca.pem, port: '1', prefix: null}"}, want: remote{url: "http://127.0.0.1:1", caCert: "/ca.pem"}},
		"a file that says nothing":  {files: map[string]string{"1.yml": "", "2.yml": "other: 1\n"}, want: remote{url: "http://127.0.0.1:9497"}},
		"certificates are checked":  {files: map[string]string{"1.yml": "auth: {verify_certificate: true}"}, want: remote{url: "http://127.0.0.1:9497"}},
		"insecure over authorities": {options: remote{insecure: true}, files: map[string]string{"1.yml": "auth: {verify_certificate: /ca.pem}"}, want: remote{url: "http://127.0.0.1:9497", insecure: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := tt.options
			r.configDir = folder(t, tt.files)
			var complaints bytes.Buffer
			require.NoError(t, r.complete(func(name string) string { return tt.env[name] }, &complaints))
			require.Empty(t, complaints.String())
			got := remote{url: r.url, token: r.token, username: r.username, password: r.password, backend: r.backend, caCert: r.caCert, insecure: r.insecure}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestFoldersOfTheHomeAreReadInTheirOrder(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for name, user := range map[string]string{"xivo-auth": "ours", "wazo-auth-cli": "theirs"} {
		dir := filepath.Join(home, ".config", name)
		require.NoError(t, os.MkdirAll(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.yml"), []byte("auth: {username: "+user+", password: p-"+user+"}"), 0o600))
	}
	env := map[string]string{"HOME": home}
	user := func() string {
		var r remote
		require.NoError(t, r.complete(func(name string) string { return env[name] }, &bytes.Buffer{}))
		return r.username + " " + r.password
	}
	require.Equal(t, "ours p-ours", user())
	env["WAZO_AUTH_CLI_CONFIG"] = filepath.Join(home, ".config", "wazo-auth-cli")
	require.Equal(t, "theirs p-theirs", user())
}

func TestBadSettingsAreNamedWithoutShowingThem(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"no YAML": "auth: [hush-hush", "no mapping": "auth: hush-hush", "too long": "# " + string(make([]byte, maxSettings))} {
		r := remote{configDir: folder(t, map[string]string{"a.yml": content})}
		err := r.complete(func(string) string { return "" }, &bytes.Buffer{})
		require.ErrorContains(t, err, "a.yml", name)
		require.NotContains(t, err.Error(), "hush-hush", name)
	}
}

func TestNamesAreFoundExactlyAndOnceOnly(t *testing.T) {
	t.Parallel()
	own := []client.Group{{UUID: "1", Name: "Twice"}, {UUID: "2", Name: "own"}}
	below := append(slices.Clone(own[:2]), client.Group{UUID: "3", Name: "below"}, client.Group{UUID: "4", Name: "twice"}, client.Group{UUID: "5", Name: "twice"}, client.Group{UUID: "6", Name: "own"})
	broken := errors.New("broken")
	f := finder[client.Group]{"group", "name", true, func(_ context.Context, o client.ListOptions) (client.Page[client.Group], error) {
		switch {
		case o.Filters["name"] == "broken":
			return client.Page[client.Group]{}, broken
		case o.Recurse:
			return client.Page[client.Group]{Items: below}, nil
		}
		return client.Page[client.Group]{Items: own}, nil
	}, func(g client.Group, name string) (string, bool) { return g.UUID, g.Name == name }}
	const id = "741b66b4-16a3-4701-8e78-8ab5a57d5a98"
	for name, want := range map[string]string{"own": "2", "below": "3", "Twice": "1", id: id} {
		got, err := f.id(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for name, says := range map[string]string{"twice": `Several of the name "twice"`, "tw": `Unknown group "tw"`, "": `Unknown group ""`, "broken": "broken", id + " ": "Unknown"} {
		_, err := f.id(t.Context(), name)
		require.ErrorContains(t, err, says)
	}
	f.deep = false
	_, err := f.id(t.Context(), "below")
	require.ErrorContains(t, err, "Unknown")
}
