// Command worker is the process behind the lifetimes of tokens: the Temporal worker, which runs their workflows, and the
// relay, which starts and ends them as the database wants it. Start as many as there is work for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/ops"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/process"
	"github.com/xivo-auth/xivo-auth/token"
	"github.com/xivo-auth/xivo-auth/tracing/otlp"
	"github.com/xivo-auth/xivo-auth/workflows"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ())
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args, environ []string) error {
	var warnings []string
	cfg, err := config.LoadWorker(args, environ, func(w string) { warnings = append(warnings, w) })
	if err != nil {
		return err
	}
	log := process.Start("worker", cfg.Shared)
	for _, w := range warnings {
		log.Warn(w)
	}
	traces, err := otlp.Start(ctx, "xivo-auth-worker", log)
	if err != nil {
		return err
	}
	defer traces.Stop()
	if err := process.AwaitSchema(ctx, cfg.Database, log); err != nil {
		return err
	}
	// What this pool loses in a crash of the database is leases, finished rows and deletions of expired tokens: the relay and
	// the audit do them again, and an expired token is refused meanwhile.
	pool, err := db.Open(ctx, db.Options{URI: cfg.DSN(), MaxConns: int32(cfg.DBMaxConnections), Name: "xivo-auth worker", StatementTimeout: time.Minute, AsyncCommit: true, Tracer: traces.Statements()}) //nolint:gosec // bounded by config
	if err != nil {
		return err
	}
	defer pool.Close()
	var installation uuid.UUID
	err = process.AwaitDatabase(ctx, cfg.Database, log, func(ctx context.Context) (err error) {
		installation, err = db.New().InstallationUUID(ctx, pool)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the installation's uuid: %w", err)
	}
	temporal, err := dial(cfg.Temporal, traces.Tracer(), log)
	if err != nil {
		return err
	}
	defer temporal.Close()

	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), outbox.NewBacklogCollector(pool, log))
	wake := outbox.NewWaker(pool, log).Wake
	tokens := token.NewLifetimes(token.LifetimeDeps{Pool: pool, Events: outbox.NewEvents(cfg.AMQP.BusEnabled()), Wake: wake, Log: log})
	accounts, end, err := consents(ctx, cfg, pool, wake, log, reg)
	if err != nil {
		return err
	}
	defer end()
	engine := engine{cfg: cfg, client: temporal, installation: installation, tokens: tokens, consents: accounts, log: log, pool: pool, metrics: reg}
	starter := workflows.NewClient(temporal, workflows.TaskQueue(installation), log)
	relay := outbox.NewRelay(outbox.Options{Pool: pool, Log: log, Tracer: traces.Tracer(), Metrics: outbox.NewMetrics(reg),
		Sink:  sink{starter},
		Batch: cfg.Relay.Batch, Concurrency: cfg.Relay.Concurrency, Poll: cfg.Relay.PollInterval, Lease: cfg.Relay.Lease})
	waits := outbox.NewConsentRelay(outbox.ConsentOptions{Pool: pool, Sink: consentSink{starter}, Log: log, Poll: cfg.Relay.PollInterval})
	pokes := []func(){relay.Poke, waits.Poke}
	publisher, err := newPublisher(cfg, pool, traces.Tracer(), log, reg)
	if err != nil {
		return err
	}
	if publisher != nil {
		pokes = append(pokes, publisher.Poke)
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return ops.Serve(ctx, net.JoinHostPort(cfg.Internal.Listen, strconv.Itoa(cfg.Internal.Port)),
			ops.Handler(reg, process.Probes(pool), func() bool { return cfg.ProfilingEnabled }), 5*time.Second, log, nil)
	})
	g.Go(func() error { outbox.Listen(ctx, cfg.DSN(), log, pokes...); return nil })
	// Neither sink waits for the other: events go out while Temporal is away.
	if publisher != nil {
		g.Go(func() error { publisher.Run(ctx); return nil })
	}
	// The relay runs beside the engine, not after it: a lifetime that it starts eagerly is worked on in this process.
	g.Go(func() error {
		return engine.run(ctx, func() error {
			var beside errgroup.Group
			beside.Go(func() error { waits.Run(ctx); return nil })
			relay.Run(ctx)
			return beside.Wait()
		})
	})
	err = g.Wait()
	log.Info("stopped")
	return err
}
