package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/client"
)

// remote is how the commands that speak HTTP reach a server, and as whom.
type remote struct {
	url, host, port, https, http       string
	token, username, password, backend string
	configDir, caCert                  string
	insecure, verify                   bool
	tenant                             string
	// session is that of the token which connect logged in for.
	session string
}

const (
	remoteHelp = `The server and the credentials come from, strongest first: options; the variables XIVO_AUTH_URL, XIVO_AUTH_TOKEN,
XIVO_AUTH_USERNAME and XIVO_AUTH_PASSWORD; the *.yml files of --config ($WAZO_AUTH_CLI_CONFIG, or ~/.config/xivo-auth and
~/.config/wazo-auth-cli); /etc/wazo-auth-cli/conf.d/*.yml and /etc/wazo-auth-cli/config.yml. Keys of the files, under auth:
host, port, prefix, https, username, password, backend and verify_certificate.
Without a token the command logs in, and ends that token when it is done.`

	defaultHost, defaultPort = "127.0.0.1", "9497"
	systemFolder             = "/etc/wazo-auth-cli"
	// maxSettings is the most that is read of a file of settings or certificates, in bytes.
	maxSettings = 1 << 20
)

// flags declares the options that all of them share.
func (r *remote) flags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&r.url, "url", "", "address of the server, such as https://host/api/auth (default http://"+defaultHost+":"+defaultPort+")")
	f.StringVar(&r.host, "hostname", "", "host of the server, instead of --url")
	f.StringVar(&r.port, "port", "", "port of the server, instead of --url")
	f.StringVar(&r.https, "ssl", "", "any value: speak HTTPS, instead of --url")
	f.StringVar(&r.http, "no-ssl", "", "any value: speak HTTP, instead of --url")
	f.StringVar(&r.token, "token", "", "use this token instead of logging in")
	f.StringVar(&r.username, "auth-username", "", "log in as this user")
	f.StringVar(&r.password, "auth-password", "", "with this password; options are visible to everybody on the host, the variable is not")
	f.StringVar(&r.backend, "backend", "", "log in with this backend")
	f.StringVar(&r.configDir, "config", "", "folder of the *.yml files with host and credentials")
	f.StringVar(&r.caCert, "cacert", "", "PEM file of the authorities to trust instead of the system's")
	f.BoolVar(&r.insecure, "insecure", false, "do not check the server's certificate")
	f.BoolVar(&r.verify, "verify", false, "check the server's certificate whatever the files say")
	f.StringVar(&r.tenant, "tenant", "", "work in this tenant, by name or uuid")
	c.MarkFlagsMutuallyExclusive("url", "hostname")
	c.MarkFlagsMutuallyExclusive("url", "port")
	c.MarkFlagsMutuallyExclusive("url", "ssl", "no-ssl")
	c.MarkFlagsMutuallyExclusive("verify", "insecure", "cacert")
	c.MarkFlagsMutuallyExclusive("token", "auth-username")
}

// anywhere lets the shared options without a value stand before the resource, too: `xivo-auth --insecure user list`. Those
// with a value may do so anyway.
func anywhere(root *cobra.Command) {
	for _, name := range []string{"insecure", "verify"} {
		root.Flags().Bool(name, false, "")
		_ = root.Flags().MarkHidden(name) // it is there
	}
}

// command makes a group of commands on one resource.
func (r *remote) command(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: short + ".\n\n" + remoteHelp}
	r.flags(c)
	c.AddCommand(sub...)
	noFiles(c)
	return c
}

// noFiles has the shell offer no files as arguments: they are names and uuids.
func noFiles(c *cobra.Command) {
	c.ValidArgsFunction = cobra.NoFileCompletions
	for _, sub := range c.Commands() {
		noFiles(sub)
	}
}

// settings are what the files of wazo-auth-cli say under auth, as far as it counts here. A nil is silence.
type settings struct {
	Host     *string `yaml:"host"`
	Port     any     `yaml:"port"`
	Prefix   *string `yaml:"prefix"`
	HTTPS    *bool   `yaml:"https"`
	Username *string `yaml:"username"`
	Password *string `yaml:"password"`
	Backend  *string `yaml:"backend"`
	Verify   any     `yaml:"verify_certificate"` // true, false, or the path of the authorities to trust
}

// under has weaker settings speak where s is silent.
func (s *settings) under(weaker settings) {
	s.Host, s.Port, s.Prefix, s.HTTPS = cmp.Or(s.Host, weaker.Host), cmp.Or(s.Port, weaker.Port), cmp.Or(s.Prefix, weaker.Prefix), cmp.Or(s.HTTPS, weaker.HTTPS)
	s.Username, s.Password = cmp.Or(s.Username, weaker.Username), cmp.Or(s.Password, weaker.Password)
	s.Backend, s.Verify = cmp.Or(s.Backend, weaker.Backend), cmp.Or(s.Verify, weaker.Verify)
}

// complete fills what no option set from the environment and from files. What cannot be read is told to complain.
func (r *remote) complete(getenv func(string) string, complain io.Writer) error {
	paths, err := r.files(getenv)
	if err != nil {
		return err
	}
	var s settings
	for _, p := range paths {
		weaker, err := readSettings(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, fs.ErrPermission):
			_, _ = fmt.Fprintf(complain, "xivo-auth: %s cannot be read, it is left out\n", p)
		case err != nil:
			return fmt.Errorf("--config: %w", err)
		}
		s.under(weaker)
	}
	if r.username == "" && r.password == "" { // who logs in by an option does not want the variable's token
		r.token = either(r.token, getenv("XIVO_AUTH_TOKEN"))
	}
	r.username = either(r.username, either(getenv("XIVO_AUTH_USERNAME"), value(s.Username)))
	r.password = either(r.password, getenv("XIVO_AUTH_PASSWORD"))
	if s.Username == nil || *s.Username == r.username { // not somebody else's
		r.password = either(r.password, value(s.Password))
	}
	r.backend = either(r.backend, value(s.Backend))
	if r.caCert == "" && !r.insecure && !r.verify {
		switch v := s.Verify.(type) {
		case bool:
			r.insecure = !v
		case string:
			r.caCert = v
		}
	}
	r.address(getenv("XIVO_AUTH_URL"), s)
	return nil
}

// address makes the URL of its parts, if it is not given whole.
func (r *remote) address(variable string, s settings) {
	if r.url != "" {
		return
	}
	if r.host == "" && r.port == "" && r.https == "" && r.http == "" && variable != "" {
		r.url = variable
		return
	}
	u := url.URL{Scheme: "http", Path: value(s.Prefix)}
	if r.http == "" && (r.https != "" || s.HTTPS != nil && *s.HTTPS) {
		u.Scheme = "https"
	}
	port := r.port
	if port == "" && s.Port != nil {
		port = fmt.Sprint(s.Port)
	}
	u.Host = net.JoinHostPort(either(r.host, either(value(s.Host), defaultHost)), either(port, defaultPort))
	r.url = u.String()
}

// files are the paths of the settings, strongest first.
func (r *remote) files(getenv func(string) string) ([]string, error) {
	folders := []string{getenv("WAZO_AUTH_CLI_CONFIG")}
	if r.configDir != "" {
		folders[0] = r.configDir
		if _, err := os.ReadDir(r.configDir); err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
	}
	if folders[0] == "" {
		folders = homeFolders(getenv)
	}
	var paths []string
	for _, folder := range append(folders, filepath.Join(systemFolder, "conf.d")) {
		found, _ := fs.Glob(os.DirFS(folder), "*.yml") // the pattern is a good one
		slices.Sort(found)
		for _, name := range found {
			paths = append(paths, filepath.Join(folder, name))
		}
	}
	return append(paths, filepath.Join(systemFolder, "config.yml")), nil
}

// homeFolders are where settings and credentials of the caller are looked for.
func homeFolders(getenv func(string) string) []string {
	home := getenv("HOME")
	if home == "" {
		return nil
	}
	return []string{filepath.Join(home, ".config", "xivo-auth"), filepath.Join(home, ".config", "wazo-auth-cli")}
}

func readSettings(path string) (settings, error) {
	var file struct {
		Auth settings `yaml:"auth"`
	}
	text, err := readBounded(path)
	if err != nil {
		return settings{}, err
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return settings{}, fmt.Errorf("%s is no mapping of auth settings", path) // yaml's own words would show the file
	}
	return file.Auth, nil
}

// readBounded reads a file that the caller chose.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // it is the caller's choice
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSettings+1))
	if err == nil && len(text) > maxSettings {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxSettings)
	}
	return text, err
}

// anonymous makes a client without a token.
func (r *remote) anonymous() (*client.Client, error) {
	if err := r.complete(os.Getenv, os.Stderr); err != nil {
		return nil, err
	}
	h, err := r.transport()
	if err != nil {
		return nil, err
	}
	auth, err := client.New(r.url, client.WithHTTPClient(h), client.WithUserAgent("xivo-auth command"))
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	return auth, nil
}

// connect makes a client that has a token; end takes back the token it logged in for.
func (r *remote) connect(ctx context.Context) (auth *client.Client, end func(), err error) {
	anonymous, err := r.anonymous()
	if err != nil {
		return nil, nil, err
	}
	token, end := r.token, func() {}
	if token == "" {
		if r.username == "" || r.password == "" {
			return nil, nil, errors.New("no credentials: set XIVO_AUTH_TOKEN, or XIVO_AUTH_USERNAME and XIVO_AUTH_PASSWORD (see --help)")
		}
		made, err := anonymous.Tokens.New(ctx, client.Credentials{Username: r.username, Password: r.password, Backend: r.backend, Expiration: 3600})
		if err != nil {
			return nil, nil, fmt.Errorf("log in: %w", err)
		}
		token, r.session = made.Token, made.Session
		end = func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), client.DefaultTimeout)
			defer cancel()
			_ = anonymous.Tokens.Revoke(ctx, token) // it ends by itself within the hour
		}
	}
	auth = anonymous.With(token)
	if r.tenant != "" {
		id, err := tenantID(ctx, auth, r.tenant)
		if err != nil {
			end()
			return nil, nil, err
		}
		auth = auth.In(id)
	}
	return auth, end, nil
}

// transport is how the server's certificate is checked, and how long an answer may take.
func (r *remote) transport() (*http.Client, error) {
	h := &http.Client{Timeout: 30 * time.Second}
	if r.caCert == "" && !r.insecure {
		return h, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: r.insecure} //nolint:gosec // asked for by --insecure
	if r.caCert != "" {
		text, err := readBounded(r.caCert)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("--cacert: the file holds no certificate in PEM form")
		}
	}
	h.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c, ForceAttemptHTTP2: true}
	return h, nil
}

// do makes a command's RunE of what it does with a client.
func (r *remote) do(f func(ctx context.Context, auth *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		auth, end, err := r.connect(c.Context())
		if err != nil {
			return err
		}
		defer end()
		return f(c.Context(), auth, args)
	}
}

// isID tells whether an argument is a uuid rather than a name.
func isID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// finder looks a thing up by its name, first among what the tenant has itself, then below it if deep. A name that several
// things have is an error: guessing would delete the wrong one.
type finder[T any] struct {
	kind, filter string
	deep         bool
	list         func(context.Context, client.ListOptions) (client.Page[T], error)
	is           func(x T, name string) (uuid string, ok bool)
}

func (f finder[T]) id(ctx context.Context, name string) (string, error) {
	if isID(name) {
		return name, nil
	}
	for _, recurse := range []bool{false, true} {
		if name == "" || recurse && !f.deep {
			break
		}
		p, err := f.list(ctx, client.ListOptions{Recurse: recurse, Filters: map[string]string{f.filter: name}})
		if err != nil {
			return "", err
		}
		found := map[string]bool{}
		for _, x := range p.Items {
			if u, ok := f.is(x, name); ok {
				found[u] = true
			}
		}
		if len(found) > 1 {
			return "", fmt.Errorf("Several of the name %q: say which %s by its uuid", name, f.kind) //nolint:staticcheck // like the next one
		}
		for u := range found {
			return u, nil
		}
	}
	return "", fmt.Errorf("Unknown %s %q", f.kind, name) //nolint:staticcheck // the wording that operators know
}

// tenantID finds among all tenants that the token reaches.
func tenantID(ctx context.Context, auth *client.Client, name string) (string, error) {
	return finder[client.Tenant]{"tenant", "name", false, auth.Tenants.List,
		func(t client.Tenant, name string) (string, bool) { return t.UUID, value(t.Name) == name }}.id(ctx, name)
}

func userID(ctx context.Context, auth *client.Client, name string) (string, error) {
	return finder[client.User]{"user", "username", true, auth.Users.List,
		func(u client.User, name string) (string, bool) {
			return u.UUID, value(u.Username) == name
		}}.id(ctx, name)
}

func groupID(ctx context.Context, auth *client.Client, name string) (string, error) {
	return finder[client.Group]{"group", "name", true, auth.Groups.List,
		func(g client.Group, name string) (string, bool) { return g.UUID, g.Name == name }}.id(ctx, name)
}

func policyID(ctx context.Context, auth *client.Client, name string) (string, error) {
	return finder[client.Policy]{"policy", "name", true, auth.Policies.List,
		func(p client.Policy, name string) (string, bool) { return p.UUID, p.Name == name }}.id(ctx, name)
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func pointer(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
