package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/xivo-auth/xivo-auth/activities"
	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/external"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/throttle"
	"github.com/xivo-auth/xivo-auth/token"
	"github.com/xivo-auth/xivo-auth/trail"
	"github.com/xivo-auth/xivo-auth/workflows"
)

// engine is the Temporal side of this process.
type engine struct {
	cfg          config.Worker
	client       client.Client
	installation uuid.UUID
	tokens       *token.Lifetimes
	consents     *external.Service
	log          *slog.Logger
	pool         db.DBTX
	metrics      prometheus.Registerer
}

// run waits for Temporal however long it takes, then works until ctx is over. relay is run once the worker has started, so
// that lifetimes can start eagerly. An outage of Temporal after the start is the SDK's to sit out.
func (e engine) run(ctx context.Context, relay func() error) error {
	if !e.prepare(ctx) {
		return nil // told to stop before Temporal came
	}
	fatal := make(chan error, 2)
	w := workflows.NewWorker(e.client, workflows.TaskQueue(e.installation), e.activities(), func(o *worker.Options) {
		o.MaxConcurrentWorkflowTaskExecutionSize = e.cfg.Worker.MaxConcurrentWorkflowTasks
		o.MaxConcurrentActivityExecutionSize = e.cfg.Worker.MaxConcurrentActivities
		o.MaxConcurrentLocalActivityExecutionSize = e.cfg.Worker.MaxConcurrentLocalActivities
		o.OnFatalError = func(err error) { fatal <- err }
	})
	if err := e.start(ctx, w); err != nil {
		return err
	}
	defer w.Stop()
	listeners := workflows.NewConsentWorker(e.client, workflows.TaskQueue(e.installation), &activities.Consent{Service: e.consents}, e.cfg.MaxConsents,
		func(o *worker.Options) { o.OnFatalError = func(err error) { fatal <- err } })
	if err := e.start(ctx, listeners); err != nil {
		return err
	}
	defer listeners.Stop()
	e.log.Info("working on lifetimes", "task_queue", workflows.TaskQueue(e.installation), "namespace", e.cfg.Temporal.Namespace)
	done := make(chan error, 1)
	go func() { done <- relay() }()
	select {
	case err := <-fatal:
		return fmt.Errorf("temporal worker: %w", err)
	case err := <-done:
		return err
	}
}

func (e engine) activities() workflows.Activities {
	m := activities.NewMetrics(e.metrics)
	return workflows.Activities{
		Lifetime: &activities.Lifetime{Tokens: e.tokens, Metrics: m},
		Audit:    &activities.Audit{Store: e.tokens, Temporal: e.client, TaskQueue: workflows.TaskQueue(e.installation), Metrics: m, Sweeps: e.sweeps()},
	}
}

// sweeps are what an audit tidies up beside tokens and their access lists.
func (e engine) sweeps() []activities.Sweep {
	return []activities.Sweep{
		{What: "sweep the trail", Do: func(ctx context.Context, limit int) (int, error) {
			return trail.Sweep(ctx, e.pool, e.cfg.Trail.RetentionDays, limit)
		}},
		{What: "sweep counts of mails", Do: func(ctx context.Context, limit int) (int, error) { return identity.SweepMailCounts(ctx, e.pool, limit) }},
		{What: "sweep consents", Do: func(ctx context.Context, limit int) (int, error) { return external.SweepConsents(ctx, e.pool, limit) }},
		{What: "sweep SAML logins", Do: func(ctx context.Context, limit int) (int, error) { return identity.SweepSAML(ctx, e.pool, limit) }},
		{What: "sweep counts of attempts", Do: func(ctx context.Context, limit int) (int, error) { return throttle.Sweep(ctx, e.pool, limit) }},
	}
}

// prepare makes the namespace, the search attributes and the audit's schedule, trying until it succeeds or ctx is over.
func (e engine) prepare(ctx context.Context) bool {
	return e.insist(ctx, func() error {
		if err := workflows.Provision(ctx, e.client, e.cfg.Temporal.Namespace, e.log); err != nil {
			return err
		}
		return workflows.EnsureAuditSchedule(ctx, e.client, workflows.AuditSchedule{Installation: e.installation, Interval: e.cfg.Audit.Interval,
			Input: workflows.AuditInput{Grace: e.cfg.Audit.Grace}})
	}) == nil
}

func (e engine) start(ctx context.Context, w worker.Worker) error {
	return e.insist(ctx, w.Start)
}

// insist repeats f with a back-off of at most 5 s until it succeeds; ctx ends it.
func (e engine) insist(ctx context.Context, f func() error) error {
	for wait := 200 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := f()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		e.log.Warn("Temporal is not ready for the worker yet", "error", err, "retry_in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// dial makes a client that connects when it is first used.
func dial(cfg config.Temporal, tracer trace.Tracer, log *slog.Logger) (client.Client, error) {
	o := client.Options{HostPort: cfg.Address, Namespace: cfg.Namespace, Logger: sdklog.NewStructuredLogger(log)}
	if cfg.APIKey != "" {
		o.Credentials = client.NewAPIKeyStaticCredentials(cfg.APIKey.Reveal())
	}
	if tracer != nil { // the workers made from this client use it too
		i, err := workflows.Tracing(tracer)
		if err != nil {
			return nil, err
		}
		o.Interceptors = []interceptor.ClientInterceptor{i}
	}
	if cfg.UseTLS() {
		t, err := tlsConfig(cfg.TLS)
		if err != nil {
			return nil, err
		}
		o.ConnectionOptions.TLS = t
	}
	c, err := client.NewLazyClient(o)
	if err != nil {
		return nil, fmt.Errorf("temporal client: %w", err)
	}
	return c, nil
}

func tlsConfig(cfg config.TemporalTLS) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.ServerName}
	if cfg.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls.cert_file, key_file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls.ca_file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("temporal.tls.ca_file: no certificate in it")
		}
	}
	return t, nil
}

// sink hands what the relay delivers to Temporal.
type sink struct{ lifetimes *workflows.Client }

var _ outbox.Lifetimes = sink{}

func (s sink) StartLifetime(ctx context.Context, x outbox.Start) error {
	var notice time.Time
	if x.NoticeAt != nil {
		notice = *x.NoticeAt
	}
	return away(s.lifetimes.Start(ctx, workflows.StartLifetime{UserAgent: x.UserAgent, RemoteAddr: x.RemoteAddr, Repair: x.Repair,
		Input: workflows.LifetimeInput{SessionUUID: x.Session.String(), AuthID: x.AuthID, TenantUUID: x.Tenant.String(), Backend: x.Backend,
			Kind: x.Kind, IssuedAt: x.IssuedAt, ExpiresAt: x.ExpiresAt, NoticeAt: notice}}))
}

func (s sink) EndLifetime(ctx context.Context, session uuid.UUID, reason string) error {
	return away(s.lifetimes.Revoke(ctx, session, reason))
}

// away marks an error that says nothing about the row: Temporal cannot be reached.
func away(err error) error {
	if err != nil && workflows.OutOfReach(err) {
		return fmt.Errorf("%w: %w", outbox.ErrSinkAway, err)
	}
	return err
}
