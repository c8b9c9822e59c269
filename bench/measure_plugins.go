package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/backends/plugin"
	"github.com/xivo-auth/xivo-auth/bench/load"
	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/password"
)

// The plug-ins of testdata; the name is the behaviour.
const (
	plain    = "plain"
	crashing = "crash"
	hanging  = "hang"
	stalling = "stall"
)

// cheapCost leaves so little of a login to the hash that a pause elsewhere is seen.
var cheapCost = password.Params{MemoryKiB: 8192, Iterations: 1, Parallelism: 1}

// measurePlugins measures what the boundary to a plug-in costs, and what a bad plug-in costs the others.
func (s *suite) measurePlugins(ctx context.Context) error {
	dir, err := s.buildPlugins(ctx)
	if err != nil {
		return err
	}
	if err := s.pluginCalls(ctx, dir); err != nil {
		return err
	}
	if err := s.pluginLogins(ctx, dir); err != nil {
		return err
	}
	return s.besideBadPlugins(ctx, dir)
}

// buildPlugins makes a plug-ins directory.
func (s *suite) buildPlugins(ctx context.Context) (dir string, err error) {
	dir = filepath.Join(s.programs.Dir, "plugins")
	program := filepath.Join(dir, "source")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/xivo-auth/xivo-auth/bench/testdata/plugins/source") //nolint:gosec // our own program
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the plug-ins: %w\n%s", err, out)
	}
	for name, kind := range map[string]string{plain: plugin.KindBackend, crashing: plugin.KindBackend, hanging: plugin.KindBackend, stalling: plugin.KindIDP} {
		place := filepath.Join(dir, kind, name)
		if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
			return "", err
		}
		if err := os.Symlink(program, place); err != nil && !errors.Is(err, os.ErrExist) { // of an earlier run with -logs
			return "", err
		}
	}
	return dir, nil
}

// pluginCalls calls a plug-in from this very process, one call after the other.
func (s *suite) pluginCalls(ctx context.Context, dir string) (err error) {
	host, err := plugin.Load(ctx, plugin.Options{Dir: dir, Backends: []string{plain}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	loaded := host.Backends()
	if len(loaded) == 0 {
		return fmt.Errorf("the plug-in did not load: %v", host.Health())
	}
	source, request := loaded[0], &backends.Request{Login: "alice", Password: stack.Password, Backend: plain, Raw: map[string]any{"backend": plain, "expiration": 3600},
		UserAgent: "python-requests/2.32.3", RemoteAddr: "192.0.2.7"}
	var p50, p99 []float64
	for i := range s.rounds() + 1 {
		var h load.Histogram
		for range pick(s, 500, 20_000) {
			begun := time.Now()
			ok, err := source.VerifyPassword(ctx, request.Login, request.Password, request)
			if err != nil || !ok {
				return fmt.Errorf("the plug-in refused the login: %w", err)
			}
			h.Observe(time.Since(begun))
		}
		if i > 0 { // the first round warms up
			p50, p99 = append(p50, us(h.Quantile(.5))), append(p99, us(h.Quantile(.99)))
		}
	}
	s.report.Add("plugin_call_p50_us", report.Goal{}, p50, "verify password, one call at a time")
	s.report.Add("plugin_call_p99_us", report.Goal{}, p99, "")
	return nil
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// withPlugins are programs whose configuration has the plug-ins of these names, each its own provider.
func (s *suite) withPlugins(dir string, names ...string) (stack.Programs, error) {
	const priority = 10
	backendsOn, idps := "", ""
	for _, name := range names {
		if name != stalling {
			backendsOn += fmt.Sprintf("  %s: true\n", name)
		}
		idps += fmt.Sprintf("  %s: {enabled: true, priority: %d}\n", name, priority)
	}
	text := "plugins_dir: " + dir + "\n"
	if backendsOn != "" {
		text += "enabled_backend_plugins:\n" + backendsOn
	}
	if idps != "" {
		text += "idp_plugins:\n" + idps
	}
	s.made++
	file := filepath.Join(s.programs.Dir, fmt.Sprintf("plugins%02d.yml", s.made))
	p := s.programs
	p.Settings = append([]string{"XIVO_AUTH_CONFIG_FILE=" + file, fmt.Sprintf("XIVO_AUTH_PASSWORD_HASH_MEMORY_KIB=%d", cheapCost.MemoryKiB),
		fmt.Sprintf("XIVO_AUTH_PASSWORD_HASH_ITERATIONS=%d", cheapCost.Iterations)}, p.Settings...)
	return p, os.WriteFile(file, []byte(text), 0o600)
}

// pluginLogins compares logins through a plug-in with those of our own source. Both are of users of ours with as many
// accesses. The native ones buy their login with a refresh token: the rest of a login, without a hash.
func (s *suite) pluginLogins(ctx context.Context, dir string) error {
	db, drop, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	if err := db.SeedUsers(ctx, 2*users, cheapCost); err != nil {
		return err
	}
	theirs := make([]string, users) // the second half is the plug-in's
	for i := range theirs {
		theirs[i] = stack.Username(users + i)
	}
	if _, err := db.Pool.Exec(ctx, "UPDATE users SET authentication_method = $1 WHERE username = ANY($2)", plain, theirs); err != nil {
		return fmt.Errorf("give users to the plug-in: %w", err)
	}
	programs, err := s.withPlugins(dir, plain)
	if err != nil {
		return err
	}
	api, err := programs.API(ctx, db)
	if err != nil {
		return err
	}
	defer api.Stop()
	logins := load.NewLogins(api.Address)
	defer logins.Close()
	throughPlugin := func(ctx context.Context) error {
		_, err := logins.Source(ctx, plain, theirs[rand.IntN(users)], stack.Password) //nolint:gosec // which user is no secret
		return err
	}
	const callers = 16
	var native, through []float64
	for _, f := range []func(context.Context) error{refreshLogin(logins), throughPlugin} { // warm up
		if _, err := load.Calls(ctx, callers, pick(s, 200*time.Millisecond, time.Second), f); err != nil {
			return err
		}
	}
	for range s.rounds() {
		for _, m := range []struct {
			f  func(context.Context) error
			to *[]float64
		}{{refreshLogin(logins), &native}, {throughPlugin, &through}} {
			n, err := load.Calls(ctx, callers, pick(s, time.Second, 5*time.Second), m.f)
			if err != nil {
				return err
			}
			*m.to = append(*m.to, n)
		}
	}
	s.report.Ratio("plugin_logins_over_native", report.Goal{}, through, native, "16 clients; native: logins with a refresh token")
	s.report.Add("plugin_logins_per_s", report.Goal{}, through, "verify password, access list and metadata are calls of the plug-in")
	s.report.Add("plugin_native_logins_per_s", report.Goal{}, native, "with a refresh token")
	return nil
}

// besideBadPlugins compares native logins and checks of an API without plug-ins with those of one with a backend that
// crashes again and again, with a backend that hangs, while logins for these two come too, and with an identity provider that
// hangs when it is asked whether a login is its own, which it is at every login. One API runs at a time.
func (s *suite) besideBadPlugins(ctx context.Context, dir string) error {
	tokens := pick(s, 1_000, 100_000)
	db, drop, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	if _, err := db.SeedTokens(ctx, stack.Tokens{Count: tokens, Expiry: time.Now().Add(24 * time.Hour)}); err != nil {
		return err
	}
	if err := db.SeedUsers(ctx, users, cheapCost); err != nil {
		return err
	}
	situations := []*situation{{name: "calm"}, {name: "crashing", plugins: []string{crashing}, bad: loginOf(crashing)},
		{name: "hanging", plugins: []string{hanging}, bad: loginOf(hanging)}, {name: "stalling", plugins: []string{stalling}}}
	for range s.rounds() {
		for _, x := range situations {
			programs, err := s.withPlugins(dir, x.plugins...)
			if err != nil {
				return err
			}
			if err := s.beside(ctx, programs, db, x, tokens); err != nil {
				return fmt.Errorf("%s: %w", x.name, err)
			}
		}
	}
	calm, worst := situations[0], make([]float64, s.rounds())
	for _, x := range situations {
		s.report.Add("plugin_"+x.name+"_logins_p99_ms", report.Goal{}, x.logins, fmt.Sprintf("%d native logins/s, cheapest hash", nativeRate))
		s.report.Add("plugin_"+x.name+"_checks_p99_ms", report.Goal{}, x.checks, fmt.Sprintf("%d checks/s", checkRate))
		for i := range worst {
			worst[i] = slices.Max([]float64{worst[i], x.logins[i] / calm.logins[i], x.checks[i] / calm.checks[i]})
		}
		if x != calm {
			s.report.Ratio("plugin_"+x.name+"_logins_p99_ratio", report.Goal{}, x.logins, calm.logins, "")
			s.report.Ratio("plugin_"+x.name+"_checks_p99_ratio", report.Goal{}, x.checks, calm.checks, "")
		}
	}
	s.report.Add("plugin_crash_p99_ratio", report.AtMost(1.5), worst, "the worst of the six ratios, round by round")
	return nil
}

// situation is an API beside which something may be bad, and the p99 there, ms.
type situation struct {
	name    string
	plugins []string
	// bad is a login that comes for what is bad, badRate times a second; it is refused or fails, as it comes. Nil for none.
	bad            func(ctx context.Context, l *load.Logins)
	logins, checks []float64
}

// loginOf is a login that a plug-in decides about.
func loginOf(name string) func(ctx context.Context, l *load.Logins) {
	return func(ctx context.Context, l *load.Logins) { _, _ = l.Source(ctx, name, "alice", "wrong") }
}

// Requests a second.
const (
	nativeRate = 50
	checkRate  = 500
	badRate    = 20
)

// beside measures one situation once.
func (s *suite) beside(ctx context.Context, programs stack.Programs, db stack.Database, x *situation, tokens int) error {
	api, err := programs.API(ctx, db)
	if err != nil {
		return err
	}
	defer api.Stop()
	logins := load.NewLogins(api.Address)
	defer logins.Close()
	lead, d := pick(s, time.Second, 3*time.Second), pick(s, 2*time.Second, 10*time.Second)

	calling, stop := context.WithCancel(ctx)
	defer stop()
	var bad sync.WaitGroup
	if x.bad != nil {
		bad.Go(func() {
			load.Pace(calling, badRate, lead+d, func(time.Time) { bad.Go(func() { x.bad(calling, logins) }) })
		})
	}
	if _, err := paced(ctx, lead, passwordLogin(logins)); err != nil {
		return err
	}
	var checks, native load.Histogram
	g, measuring := errgroup.WithContext(ctx)
	g.Go(func() error {
		o, err := load.Open(measuring, checksOf(api.Address, tokens), clients, checkRate, d)
		checks = o.Histogram
		return err
	})
	g.Go(func() (err error) {
		native, err = paced(measuring, d, passwordLogin(logins))
		return err
	})
	err = g.Wait()
	stop()
	bad.Wait()
	x.logins, x.checks = append(x.logins, ms(native.Quantile(.99))), append(x.checks, ms(checks.Quantile(.99)))
	return err
}

// paced calls f at nativeRate; the time of a call counts from the moment at which it was due. The first error is given.
func paced(ctx context.Context, d time.Duration, f func(context.Context) error) (load.Histogram, error) {
	var mu sync.Mutex
	var h load.Histogram
	g, ctx := errgroup.WithContext(ctx)
	load.Pace(ctx, nativeRate, d, func(due time.Time) {
		g.Go(func() error {
			err := f(ctx)
			mu.Lock()
			defer mu.Unlock()
			h.Observe(time.Since(due))
			return err
		})
	})
	return h, g.Wait()
}
