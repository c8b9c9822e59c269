package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
)

// What `dev exec` tells.
const (
	databaseVariable = "XIVO_AUTH_TEST_DATABASE_URL"
	temporalVariable = "XIVO_AUTH_TEST_TEMPORAL_ADDRESS"
	pgPIDVariable    = "XIVO_AUTH_TEST_PG_PID"
)

type options struct {
	only           *regexp.Regexp
	quick          bool
	bin, out, logs string
	settings       []string
}

// measurement is one that can be chosen by name.
type measurement struct {
	name string
	run  func(*suite, context.Context) error
}

// measurements are in the order in which they run: those that fill Temporal come last.
var measurements = []measurement{
	{"checks", (*suite).measureChecks},
	{"checks-million", (*suite).measureMillion},
	{"acl", (*suite).measureACL},
	{"binaries", (*suite).measureBinaries},
	{"logins", (*suite).measureLogins},
	{"plugins", (*suite).measurePlugins},
	{"ldap", (*suite).measureLDAP},
	{"organisation", (*suite).measureOrganisation},
	{"events", (*suite).measureEvents},
	{"started", (*suite).measureStarted},
	{"visible", (*suite).measureVisible},
	{"transitions", (*suite).measureTransitions},
	{"expiry", (*suite).measureExpiry},
	{"burst", (*suite).measureBurst},
	{"disk", (*suite).measureDisk},
}

// promised are the figures that a full run must have.
var promised = []string{"checks_64_over_bare_gin", "checks_64_over_one_query", "checks_64_p99_ms", "checks_1m_over_1k", "acl_match_200_ns",
	"acl_match_allocs", "logins_over_bare_hash", "checks_p99_ms_under_login_overload", "refresh_logins_per_s", "plugin_call_p50_us",
	"plugin_call_p99_us", "plugin_logins_over_native", "plugin_crash_p99_ratio", "ldap_logins_over_bind", "ldap_hang_p99_ratio", "user_get_per_s", "user_search_per_s", "user_create_per_s",
	"policy_add_per_s", "start_organisation_ms", "event_p50_ms", "event_p99_ms", "events_over_bare", "logins_broker_down_over_up", "lifetimes_started_over_bare",
	"visible_p99_ms", "transitions_expired", "transitions_revoked", "expiry_p99_s", "burst_drain_over_bare", "disk_app_bytes", "disk_temporal_bytes",
	"rss_api_mb", "rss_worker_mb", "start_ms"}

func names() []string {
	n := make([]string, len(measurements))
	for i, m := range measurements {
		n[i] = m.name
	}
	return n
}

// suite is what all measurements share.
type suite struct {
	options
	cluster  stack.Cluster
	programs stack.Programs
	report   *report.Report
	temporal client.Client // dialled when it is first needed
	// startRate is how many lifetimes a second start here, once that was measured.
	startRate float64
	made      int // databases
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "xivo-auth-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // of the temporary folder, best effort
	if o.logs != "" {
		if err := os.MkdirAll(o.logs, 0o755); err != nil { //nolint:gosec // logs that somebody asked for
			return err
		}
		if dir, err = filepath.Abs(o.logs); err != nil {
			return err
		}
	}
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	cluster := stack.Cluster{URL: os.Getenv(databaseVariable)}
	if cluster.PID, err = strconv.Atoi(os.Getenv(pgPIDVariable)); err != nil {
		return fmt.Errorf("%s: %w", pgPIDVariable, err)
	}
	s := &suite{options: o, cluster: cluster, report: report.New(os.Stdout),
		programs: stack.Programs{Bin: o.bin, Dir: dir, TemporalAddress: os.Getenv(temporalVariable), Settings: o.settings}}
	meta, err := s.meta(ctx)
	if err != nil {
		return err
	}
	// This process is the load and some of the baselines: it gets what the programs have by default.
	debug.SetGCPercent(400)
	begun, durations := time.Now(), map[string]float64{}
	var failed []error
	for _, m := range measurements {
		if o.only != nil && !o.only.MatchString(m.name) {
			continue
		}
		fmt.Printf("%s  %s\n", time.Now().Format(time.TimeOnly), m.name)
		start := time.Now()
		if err := m.run(s, ctx); err != nil {
			// One that fails does not cost the others.
			failed = append(failed, fmt.Errorf("%s: %w", m.name, err))
			fmt.Fprintln(os.Stderr, "bench:", failed[len(failed)-1])
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		durations[m.name] = time.Since(start).Seconds()
	}
	durations["all"] = time.Since(begun).Seconds()
	meta["durations_s"] = durations
	fmt.Println()
	if err := s.report.Table(os.Stdout); err != nil {
		return err
	}
	if err := s.report.Write(o.out, meta); err != nil {
		return err
	}
	fmt.Printf("\n%s in %s\n", o.out, time.Since(begun).Round(time.Second))
	if missing := s.report.Missing(promised); o.only == nil && len(missing) > 0 {
		failed = append(failed, fmt.Errorf("without a figure: %s", strings.Join(missing, ", ")))
	}
	return errors.Join(failed...)
}

func (s *suite) meta(ctx context.Context) (map[string]any, error) {
	version, err := s.cluster.Version(ctx)
	if err != nil {
		return nil, err
	}
	m := map[string]any{"go": runtime.Version(), "cpu": cpuModel(), "cores": runtime.NumCPU(), "os": runtime.GOOS + "/" + runtime.GOARCH,
		"date": time.Now().UTC().Format(time.RFC3339), "postgresql": version, "quick": s.quick}
	if s.only != nil {
		m["only"] = s.only.String()
	}
	if len(s.settings) > 0 {
		m["settings"] = s.settings
	}
	return m, nil
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

// rounds are three, in alternation with the baseline.
func (s *suite) rounds() int { return pick(s, 1, 3) }

// pick chooses between the quick and the real size of something.
func pick[T any](s *suite, quick, full T) T {
	if s.quick {
		return quick
	}
	return full
}

// database makes one for a measurement; drop it when that ends.
func (s *suite) database(ctx context.Context) (stack.Database, func(), error) {
	s.made++
	d, err := s.cluster.Create(ctx, fmt.Sprintf("bench%02d", s.made))
	if err != nil {
		return d, nil, err
	}
	return d, func() {
		if err := d.Drop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}, nil
}
