package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/client"
)

// remote is how the commands that speak HTTP reach a server, and as whom.
type remote struct {
	url, token, username, password, backend string
	configDir, caCert                       string
	insecure                                bool
	tenant                                  string
	format                                  string
	columns                                 []string
}

const remoteHelp = `The server and the credentials come from, strongest first: options; the variables XIVO_AUTH_URL, XIVO_AUTH_TOKEN,
XIVO_AUTH_USERNAME and XIVO_AUTH_PASSWORD; the *.yml files of --config ($WAZO_AUTH_CLI_CONFIG, ~/.config/xivo-auth or
~/.config/wazo-auth-cli), with host, port, prefix, https, username, password, backend and verify_certificate under auth.
Without a token the command logs in, and ends that token when it is done.`

// flags declares the options that all of them share.
func (r *remote) flags(c *cobra.Command) {
	f := c.PersistentFlags()
	f.StringVar(&r.url, "url", "", "address of the server, such as https://host/api/auth (default http://127.0.0.1:9497)")
	f.StringVar(&r.token, "token", "", "use this token instead of logging in")
	f.StringVar(&r.username, "auth-username", "", "log in as this user")
	f.StringVar(&r.password, "auth-password", "", "with this password; options are visible to everybody on the host, the variable is not")
	f.StringVar(&r.backend, "backend", "", "log in with this backend")
	f.StringVar(&r.configDir, "config", "", "folder of the *.yml files with host and credentials")
	f.StringVar(&r.caCert, "cacert", "", "PEM file of the authorities to trust instead of the system's")
	f.BoolVar(&r.insecure, "insecure", false, "do not check the server's certificate")
	f.StringVar(&r.tenant, "tenant", "", "work in this tenant, by name or uuid")
}

// command makes a group of commands on one resource.
func (r *remote) command(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Long: short + ".\n\n" + remoteHelp}
	r.flags(c)
	c.AddCommand(sub...)
	return c
}

// file is the format of wazo-auth-cli's configuration, as far as it counts here.
type file struct {
	Auth struct {
		Host     string `yaml:"host"`
		Port     int    `yaml:"port"`
		Prefix   string `yaml:"prefix"`
		HTTPS    bool   `yaml:"https"`
		Username string `yaml:"username"`
		Password string `yaml:"password"`
		Backend  string `yaml:"backend"`
		Verify   *bool  `yaml:"verify_certificate"`
	} `yaml:"auth"`
}

// complete fills what no option set from the environment and from files.
func (r *remote) complete(getenv func(string) string) error {
	for _, x := range []struct {
		option   *string
		variable string
	}{{&r.url, "XIVO_AUTH_URL"}, {&r.token, "XIVO_AUTH_TOKEN"}, {&r.username, "XIVO_AUTH_USERNAME"}, {&r.password, "XIVO_AUTH_PASSWORD"}} {
		*x.option = either(*x.option, getenv(x.variable))
	}
	paths, err := r.files(getenv)
	if err != nil {
		return err
	}
	for _, p := range paths { // the first one that says something wins
		if err := r.read(p); err != nil {
			return err
		}
	}
	r.url = either(r.url, "http://127.0.0.1:9497")
	return nil
}

func (r *remote) files(getenv func(string) string) ([]string, error) {
	folders := []string{either(r.configDir, getenv("WAZO_AUTH_CLI_CONFIG"))}
	if home, err := os.UserHomeDir(); err == nil && folders[0] == "" {
		folders = []string{filepath.Join(home, ".config", "xivo-auth"), filepath.Join(home, ".config", "wazo-auth-cli")}
	}
	var paths []string
	for _, folder := range folders {
		found, err := filepath.Glob(filepath.Join(folder, "*.yml"))
		if err != nil {
			return nil, fmt.Errorf("--config: %w", err)
		}
		slices.Sort(found)
		paths = append(paths, found...)
	}
	return paths, nil
}

func (r *remote) read(path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // the folder is the caller's choice
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	var f file
	if err := yaml.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("--config: %s is no mapping of auth settings", path) // yaml's own words would show the file
	}
	a := f.Auth
	if r.url == "" && a.Host != "" {
		u := url.URL{Scheme: "http", Host: a.Host, Path: a.Prefix}
		if a.HTTPS {
			u.Scheme = "https"
		}
		if a.Port != 0 {
			u.Host = a.Host + ":" + strconv.Itoa(a.Port)
		}
		r.url = u.String()
	}
	if r.username == "" && a.Username != "" {
		r.username, r.password = a.Username, either(r.password, a.Password)
	}
	r.backend = either(r.backend, a.Backend)
	if a.Verify != nil && !*a.Verify {
		r.insecure = true
	}
	return nil
}

// connect makes a client that has a token; end takes back the token it logged in for.
func (r *remote) connect(ctx context.Context) (auth *client.Client, end func(), err error) {
	if err := r.complete(os.Getenv); err != nil {
		return nil, nil, err
	}
	h, err := r.http()
	if err != nil {
		return nil, nil, err
	}
	anonymous, err := client.New(r.url, client.WithHTTPClient(h), client.WithUserAgent("xivo-auth command"))
	if err != nil {
		return nil, nil, fmt.Errorf("--url: %w", err)
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
		token = made.Token
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

func (r *remote) http() (*http.Client, error) {
	h := &http.Client{Timeout: 30 * time.Second}
	if r.caCert == "" && !r.insecure {
		return h, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: r.insecure} //nolint:gosec // asked for by --insecure
	if r.caCert != "" {
		text, err := os.ReadFile(r.caCert)
		if err != nil {
			return nil, fmt.Errorf("--cacert: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("--cacert: the file holds no certificate in PEM form")
		}
	}
	h.Transport = &http.Transport{TLSClientConfig: c}
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

// only is the uuid of the one thing of a name.
func only[T any](kind, name string, p client.Page[T], err error, id func(T) (uuid, name string)) (string, error) {
	if err != nil {
		return "", err
	}
	for _, x := range p.Items {
		if u, n := id(x); n == name {
			return u, nil
		}
	}
	return "", fmt.Errorf("Unknown %s %q", kind, name) //nolint:staticcheck // the wording that operators know
}

func tenantID(ctx context.Context, auth *client.Client, name string) (string, error) {
	if isID(name) {
		return name, nil
	}
	p, err := auth.Tenants.List(ctx, client.ListOptions{Filters: map[string]string{"name": name}})
	return only("tenant", name, p, err, func(t client.Tenant) (string, string) { return t.UUID, value(t.Name) })
}

func userID(ctx context.Context, auth *client.Client, name string) (string, error) {
	if isID(name) {
		return name, nil
	}
	p, err := auth.Users.List(ctx, client.ListOptions{Recurse: true, Filters: map[string]string{"username": name}})
	return only("user", name, p, err, func(u client.User) (string, string) { return u.UUID, value(u.Username) })
}

func groupID(ctx context.Context, auth *client.Client, name string) (string, error) {
	if isID(name) {
		return name, nil
	}
	p, err := auth.Groups.List(ctx, client.ListOptions{Recurse: true, Filters: map[string]string{"name": name}})
	return only("group", name, p, err, func(g client.Group) (string, string) { return g.UUID, g.Name })
}

func policyID(ctx context.Context, auth *client.Client, name string) (string, error) {
	if isID(name) {
		return name, nil
	}
	p, err := auth.Policies.List(ctx, client.ListOptions{Recurse: true, Filters: map[string]string{"name": name}})
	return only("policy", name, p, err, func(p client.Policy) (string, string) { return p.UUID, p.Name })
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
