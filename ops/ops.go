// Package ops is the internal port of every process: /healthz (alive), /readyz (fit to serve, with the reasons), /metrics
// for Prometheus and, where it is switched on, profiles. It is for operators and probes and listens on loopback unless
// told otherwise.
package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Probe looks at one thing that the process needs. An error makes the process not ready; detail is shown either way.
type Probe struct {
	Name string
	Look func(ctx context.Context) (detail any, err error)
}

// Handler serves the internal port. Profiles are served while profiles says so.
func Handler(g prometheus.Gatherer, probes []Probe, profiles func() bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })
	mux.Handle("GET /readyz", readiness(probes))
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	for path, serve := range map[string]http.HandlerFunc{"/debug/pprof/": pprof.Index, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if !profiles() {
				http.NotFound(w, r)
				return
			}
			serve(w, r)
		})
	}
	return mux
}

func readiness(probes []Probe) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		status, report := http.StatusOK, map[string]any{}
		for _, p := range probes {
			detail, err := p.Look(ctx)
			if err != nil {
				status, detail = http.StatusServiceUnavailable, err.Error()
			}
			report[p.Name] = detail
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(report)
	})
}

// Serve serves handler on an address until ctx is over, then lets running requests finish within grace. started, if not
// nil, is called with the address once the port is open.
func Serve(ctx context.Context, address string, handler http.Handler, grace time.Duration, log *slog.Logger, started func(net.Addr)) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{
		Handler: handler,
		// One deadline for the whole request, not a second one for its header: each is a timer to set, for every check.
		ReadTimeout:    20 * time.Second,
		WriteTimeout:   time.Minute,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 256 << 10,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if started != nil {
		started(l.Addr())
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve %s: %w", address, err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(stopping); err != nil {
		return errors.Join(fmt.Errorf("stop serving %s: %w", address, err), srv.Close())
	}
	return nil
}
