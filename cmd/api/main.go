// Command api is the process that serves the REST interface. It talks to PostgreSQL only: a login succeeds while Temporal
// is down.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/xivo-auth/xivo-auth/api"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/ops"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/password"
	"github.com/xivo-auth/xivo-auth/process"
	"github.com/xivo-auth/xivo-auth/sources"
	"github.com/xivo-auth/xivo-auth/throttle"
	"github.com/xivo-auth/xivo-auth/token"
	"github.com/xivo-auth/xivo-auth/tracing/otlp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ())
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args, environ []string) error {
	var warnings []string
	cfg, err := config.LoadAPI(args, environ, func(w string) { warnings = append(warnings, w) })
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	log := process.StartAt(level, "api", cfg.Shared)
	process.Reserve(cfg.PasswordHash.Concurrency)
	for _, w := range warnings {
		log.Warn(w)
	}
	location, err := config.Location(os.Getenv("TZ"))
	if err != nil {
		return fmt.Errorf("TZ: %w", err)
	}
	traces, err := otlp.Start(ctx, "xivo-auth-api", log)
	if err != nil {
		return err
	}
	defer traces.Stop()
	if err := process.AwaitSchema(ctx, cfg.Database, log); err != nil {
		return err
	}
	pool, err := db.Open(ctx, db.Options{URI: cfg.DSN(), MaxConns: int32(cfg.DBMaxConnections), Name: "xivo-auth api", StatementTimeout: 10 * time.Second, Tracer: traces.Statements()}) //nolint:gosec // bounded by config
	if err != nil {
		return err
	}
	defer pool.Close()
	checks, err := db.Open(ctx, db.Options{URI: cfg.DSN(), MaxConns: token.CheckConns, Name: "xivo-auth checks", GenericPlans: true})
	if err != nil {
		return err
	}
	defer checks.Close()

	keys, err := process.Keyring(cfg.Sealing, cfg.StateDir, log)
	if err != nil {
		return err
	}
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	hasher := password.New(password.Params{MemoryKiB: uint32(cfg.PasswordHash.MemoryKiB), Iterations: uint32(cfg.PasswordHash.Iterations), //nolint:gosec // bounded by config
		Parallelism: uint8(cfg.PasswordHash.Parallelism)}, cfg.PasswordHash.Concurrency, cfg.PasswordHash.Queue) //nolint:gosec // bounded by config
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "xivo_auth_hash_queue", Help: "Logins that wait for a password hash."},
		func() float64 { return float64(hasher.Waiting()) }))
	policy, err := password.LoadPolicy(cfg.PasswordPolicy.MinLength, cfg.PasswordPolicy.RefusedFile)
	if err != nil {
		return fmt.Errorf("password_policy: %w", err)
	}
	reg.MustRegister(outbox.NewBacklogCollector(pool, log))
	waker := outbox.NewWaker(pool, log)
	directories := identity.NewLDAPConfigs(pool, keys)
	single := identity.NewSAML(identity.SAMLDeps{Pool: pool, Sealer: keys, Log: log, KeyFile: cfg.SAML.KeyFile, CertFile: cfg.SAML.CertFile,
		LoginTimeout: cfg.SAML.LoginTimeout, SessionLifetime: cfg.SAML.SessionLifetime})
	loaded, err := sources.Load(ctx, cfg, sources.Deps{Pool: pool, Hasher: hasher, LDAP: directories, SAML: single, Log: log, Metrics: reg, ServiceToken: serviceTokens(pool, waker.Wake, log)})
	if err != nil {
		return err
	}
	defer loaded.Close()
	guard := throttle.New(throttle.Deps{Pool: pool, Log: log, Metrics: reg, Limits: cfg.LoginThrottle})
	checkHTTPPlugins(&cfg, log)
	live := config.NewLive(&cfg, level, loaded.Registry.Names(), recordConfig(pool))
	owed := outbox.NewEvents(cfg.AMQP.BusEnabled())
	tokens := token.New(token.Deps{Pool: pool, Sources: loaded.Registry, Sealer: keys, Log: log, Wake: waker.Wake, Throttle: guard,
		Events: owed, Notice: cfg.Notice(),
		DefaultLifetime: cfg.DefaultTokenLifetime, MaxSessions: cfg.MaxUserConcurrentSessions})
	listed, known := methods(&cfg, loaded)
	users := identity.NewUsers(pool, hasher, tokens, known, waker.Wake).Throttled(guard)
	if err := process.AwaitDatabase(ctx, cfg.Database, log, identity.NewContent(pool, cfg.Content, log).Apply); err != nil {
		return err
	}
	if cfg.BootstrapUserOnStartup {
		if err := process.AwaitDatabase(ctx, cfg.Database, log, func(ctx context.Context) error { return bootstrap(ctx, cfg, users, log) }); err != nil {
			return err
		}
	}
	tenants := identity.NewTenants(pool, tokens, owed, known, cfg.Content, log, waker.Wake)
	mailed, err := mails(&cfg, loaded, pool, users, tenants, tokens, waker.Wake, reg, log)
	if err != nil {
		return err
	}
	keyrings, err := accounts(ctx, &cfg, loaded, pool, keys, owed, waker.Wake, log)
	if err != nil {
		return err
	}
	directory := identity.NewDirectory(pool)
	checkMethods(ctx, directory, loaded.Registry.Methods(), log)
	handler := api.New(api.Deps{PasswordPolicy: policy, Checker: token.NewChecker(checks), Tokens: tokens, Directory: directory, Tenants: tenants, Users: users, Methods: listed, Groups: identity.NewGroups(pool), Policies: identity.NewPolicies(pool), LDAPConfigs: directories, SAMLConfigs: single.Ending(tokens, waker.Wake), SAML: loaded.SAML, ACSURLTemplate: cfg.SAML.ACSURLTemplate, External: keyrings, Backends: loaded.Registry.Names(),
		Log: log, Metrics: api.NewMetrics(reg, loaded.Registry.Names()), Location: location, NumProxies: cfg.REST.NumProxies, MaxBody: int64(cfg.REST.MaxBodySize),
		CORS:   api.CORS{Enabled: cfg.REST.CORS.Enabled, AllowHeaders: cfg.REST.CORS.AllowHeaders},
		Config: live, Mail: mailed, Tracing: api.Tracing{Tracer: traces.Tracer(), Checks: traces.Sampled()}})

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return ops.Serve(ctx, net.JoinHostPort(cfg.Internal.Listen, strconv.Itoa(cfg.Internal.Port)),
			ops.Handler(reg, append(process.Probes(pool), pluginsProbe(loaded.Plugins)), live.Profiling), cfg.REST.ShutdownTimeout, log, nil)
	})
	g.Go(func() error {
		return ops.Serve(ctx, net.JoinHostPort(cfg.REST.Listen, strconv.Itoa(cfg.REST.Port)), handler, cfg.REST.ShutdownTimeout, log,
			func(a net.Addr) { log.Info("serving the REST interface", "address", a.String()) })
	})
	err = g.Wait()
	log.Info("stopped")
	return err
}

// bootstrap makes the first user; one with the name but another password keeps the process from starting.
func bootstrap(ctx context.Context, cfg config.API, users *identity.Users, log *slog.Logger) error {
	created, err := users.Bootstrap(ctx, identity.Initial{Username: cfg.BootstrapUserUsername, Password: cfg.BootstrapUserPassword.Reveal(),
		Purpose: cfg.BootstrapUserPurpose, PolicySlug: cfg.BootstrapUserPolicySlug})
	if err != nil {
		return fmt.Errorf("make the first user: %w", err)
	}
	if created {
		log.Info("made the first user", "username", cfg.BootstrapUserUsername)
	}
	return nil
}
