package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/process"
	"github.com/xivo-auth/xivo-auth/seal"
	"github.com/xivo-auth/xivo-auth/sources"
	"github.com/xivo-auth/xivo-auth/token"
)

// checkTimeout is for all that happens after the last key was pressed: starts (20 s) and the calls of one login.
const checkTimeout = 2 * time.Minute

// backend looks after sources of authentication.
func backend() *cobra.Command {
	c := &cobra.Command{Use: "backend", Short: "Look after sources of authentication"}
	check := &cobra.Command{
		Use:   "check NAME",
		Short: "Try a source with a login, step by step",
		Long: "Try a source with a login and say what each step gave. NAME is a backend or an identity provider of the configuration.\n" +
			"The configuration is that of the API. All enabled plug-ins are started for this run, as any of them may claim the login,\n" +
			"and stopped again; no token is given out. The password is asked for without echo, or is the first line of a pipe; never\n" +
			"an option: options are visible to everybody on the host.\n" +
			"It succeeds if the login would get a token from NAME.",
		Args: cobra.ExactArgs(1),
	}
	login := check.Flags().String("login", "", "who logs in; asked for on a terminal")
	body := check.Flags().String("body", "{}", "the request's body, a `JSON` object; backend in it is NAME if it is left out and NAME is an enabled backend plug-in")
	check.RunE = func(c *cobra.Command, args []string) error {
		raw := map[string]any{}
		if err := json.Unmarshal([]byte(*body), &raw); err != nil || raw == nil {
			return errors.New("--body: must be a JSON object")
		}
		cfg, log, err := apiConfig()
		if err != nil {
			return err
		}
		t := trial{name: args[0], cfg: cfg, out: c.OutOrStdout()}
		if err := t.configured(); err != nil { // before anybody types a password
			return err
		}
		name, pw, err := credentials(c.Context(), c.InOrStdin(), c.ErrOrStderr(), *login)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), checkTimeout)
		defer cancel()
		return withSources(ctx, cfg, log, func(s *sources.Sources, pool *pgxpool.Pool) error {
			t.sources, t.pool = s, pool
			return t.run(ctx, t.request(name, pw, raw))
		})
	}
	c.AddCommand(check)
	return c
}

// apiConfig is the configuration of the API, with a logger on standard error, where the output of plug-ins goes too.
func apiConfig() (config.API, *slog.Logger, error) {
	var warnings []string
	cfg, err := config.LoadAPI(nil, os.Environ(), func(w string) { warnings = append(warnings, w) })
	if err != nil {
		return cfg, nil, err
	}
	log := process.Start("xivo-auth", cfg.Shared)
	for _, w := range warnings {
		log.Debug(w)
	}
	return cfg, log, nil
}

// withSources runs f with the sources of the configuration, which live as long as f does. Tokens that plug-ins were given
// meanwhile are revoked.
func withSources(ctx context.Context, cfg config.API, log *slog.Logger, f func(*sources.Sources, *pgxpool.Pool) error) (err error) {
	if err := process.AwaitSchema(ctx, cfg.Database, log); err != nil {
		return err
	}
	pool, err := db.Open(ctx, db.Options{URI: cfg.DSN(), MaxConns: 2, Name: "xivo-auth command"})
	if err != nil {
		return err
	}
	defer pool.Close()
	keys, err := keyring(cfg)
	if err != nil {
		return err
	}
	lent := &lentTokens{tokens: token.New(token.Deps{Pool: pool, Log: log, Wake: func() {}})}
	defer func() { err = errors.Join(err, lent.revoke(ctx, pool)) }()
	loaded, err := sources.Load(ctx, cfg, sources.Deps{Pool: pool, Hasher: hasher(config.Tool{PasswordHash: cfg.PasswordHash}), LDAP: identity.NewLDAPConfigs(pool, keys), SAML: identity.NewSAML(identity.SAMLDeps{Pool: pool, Sealer: keys, Log: log}), Log: log, ServiceToken: lent.issue})
	if err != nil {
		return err
	}
	defer loaded.Close()
	return f(loaded, pool)
}

// keyring opens what is sealed: the configured keys, or those in the state folder. It makes none there: the API must be able
// to read what is in it. Where there are none nothing is sealed yet.
func keyring(cfg config.API) (*seal.Keyring, error) {
	if len(cfg.SealingKeys) == 0 {
		if _, err := os.Stat(filepath.Join(cfg.StateDir, seal.FileName)); errors.Is(err, fs.ErrNotExist) {
			return seal.New([]seal.Key{{ID: "none"}})
		}
		ring, _, err := seal.LoadOrCreate(cfg.StateDir)
		return ring, err
	}
	keys := make([]seal.Key, len(cfg.SealingKeys))
	for i, k := range cfg.SealingKeys {
		keys[i] = seal.Key{ID: k.ID, Secret: k.Key}
	}
	return seal.New(keys)
}

// lentTokens are the tokens of the service that plug-ins were given.
type lentTokens struct {
	tokens *token.Service
	mu     sync.Mutex
	made   []string
}

func (l *lentTokens) issue(ctx context.Context, accesses []string) (string, time.Time, error) {
	t, err := l.tokens.IssueService(ctx, accesses)
	if err != nil {
		return "", time.Time{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made = append(l.made, t.Secret)
	return t.Secret, t.ExpiresAt, nil
}

func (l *lentTokens) revoke(ctx context.Context, pool *pgxpool.Pool) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, secret := range l.made {
		err = errors.Join(err, l.tokens.Revoke(ctx, secret))
	}
	return errors.Join(err, db.New().LifetimeDueNotify(ctx, pool))
}

// request is the login as the REST interface would hand it on.
func (t *trial) request(login, pw string, raw map[string]any) *backends.Request {
	if _, given := raw["backend"]; !given && t.cfg.EnabledBackendPlugins[t.name] && !slices.Contains(nativeNames, t.name) {
		raw["backend"] = t.name
	}
	named, _ := raw["backend"].(string)
	return &backends.Request{Login: login, Password: pw, Backend: named, Raw: raw, UserAgent: "xivo-auth backend check", RemoteAddr: "127.0.0.1"}
}
