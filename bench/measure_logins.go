package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/xivo-auth/xivo-auth/bench/load"
	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/password"
)

// users are enough that none of them reaches the limit of sessions.
const users = 500

// productionCost is the default of password_hash.
var productionCost = password.Params{MemoryKiB: 19456, Iterations: 2, Parallelism: 1}

func cores() int { return runtime.NumCPU() }

// hashes is how many the API makes at a time by default.
func hashes() int { return max(1, cores()-1) }

func passwordLogin(l *load.Logins) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := l.Password(ctx, stack.Username(rand.IntN(users)), stack.Password) //nolint:gosec // which user is no secret
		return err
	}
}

func refreshLogin(l *load.Logins) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := l.Refresh(ctx, stack.ClientID, stack.RefreshToken(rand.IntN(users))) //nolint:gosec // which user is no secret
		return err
	}
}

// measureLogins compares logins with the bare hash, then overloads the API with them.
func (s *suite) measureLogins(ctx context.Context) error {
	tokens := pick(s, 1_000, 100_000)
	db, drop, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	if _, err := db.SeedTokens(ctx, stack.Tokens{Count: tokens, Expiry: time.Now().Add(24 * time.Hour)}); err != nil {
		return err
	}
	if err := db.SeedUsers(ctx, users, productionCost); err != nil {
		return err
	}
	api, err := s.programs.API(ctx, db)
	if err != nil {
		return err
	}
	defer api.Stop()
	logins := load.NewLogins(api.Address)
	defer logins.Close()

	d := pick(s, time.Second, 8*time.Second)
	var hashed, loggedIn []float64
	for range s.rounds() {
		n, err := bareHashes(ctx, hashes(), d)
		if err != nil {
			return err
		}
		hashed = append(hashed, n)
		// More clients than hashes at a time, so that a slot of the hasher never waits for a client.
		if n, err = load.Calls(ctx, 4*hashes(), d, passwordLogin(logins)); err != nil {
			return err
		}
		loggedIn = append(loggedIn, n)
	}
	s.report.Ratio("logins_over_bare_hash", report.AtLeast(0.9), loggedIn, hashed, fmt.Sprintf("%d hashes at a time", hashes()))
	s.report.Add("logins_per_s", report.Goal{}, loggedIn, "")
	s.report.Add("bare_hashes_per_s", report.Goal{}, hashed, "")

	var refreshed []float64
	for range s.rounds() {
		n, err := load.Calls(ctx, 16, pick(s, time.Second, 5*time.Second), refreshLogin(logins))
		if err != nil {
			return err
		}
		refreshed = append(refreshed, n)
	}
	s.report.Add("refresh_logins_per_s", report.Goal{}, refreshed, "16 clients")
	return s.overload(ctx, api, logins, tokens, 10*loggedIn[len(loggedIn)-1])
}

// bareHashes is how many hashes a second a number of goroutines make.
func bareHashes(ctx context.Context, concurrency int, d time.Duration) (float64, error) {
	salt := make([]byte, 16)
	return load.Calls(ctx, concurrency, d, func(context.Context) error {
		password.Key(stack.Password, salt, productionCost)
		return nil
	})
}

// overload checks 500 tokens a second while logins come ten times as fast as they can be served.
func (s *suite) overload(ctx context.Context, api *stack.Server, logins *load.Logins, tokens int, perSecond float64) error {
	const checks = 500
	d := pick(s, 2*time.Second, 12*time.Second)
	target := checksOf(api.Address, tokens)
	var calm, loaded, served, refused []float64
	for range s.rounds() {
		o, err := load.Open(ctx, target, clients, checks, pick(s, time.Second, 4*time.Second))
		if err != nil {
			return err
		}
		calm = append(calm, ms(o.Quantile(.99)))

		flood := &flood{call: passwordLogin(logins)}
		flooding, stop := context.WithCancel(ctx)
		var g errgroup.Group
		g.Go(func() error { return flood.run(flooding, perSecond, d+2*time.Second) })
		lead, cancel := context.WithTimeout(ctx, time.Second) // until the queue is full
		<-lead.Done()
		cancel()
		o, err = load.Open(ctx, target, clients, checks, d)
		stop()
		if err := errors.Join(err, g.Wait()); err != nil {
			return err
		}
		loaded = append(loaded, ms(o.Quantile(.99)))
		served, refused = append(served, float64(flood.served.Load())), append(refused, float64(flood.refused.Load()))
	}
	s.report.Add("checks_p99_ms_under_login_overload", report.AtMost(20), loaded, fmt.Sprintf("500 checks/s, %.0f logins/s offered", perSecond))
	s.report.Add("checks_p99_ms_calm", report.Goal{}, calm, "500 checks/s, no logins")
	s.report.Add("overload_logins_served", report.Goal{}, served, "")
	s.report.Add("overload_logins_refused", report.Goal{}, refused, "503")
	return nil
}

// flood calls at a fixed rate, whether calls return or not.
type flood struct {
	call            func(context.Context) error
	served, refused atomic.Int64
}

// run ends when the time is over or ctx is; calls under way are then given up.
func (f *flood) run(ctx context.Context, perSecond float64, d time.Duration) error {
	calling, giveUp := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var failed atomic.Value
	load.Pace(ctx, perSecond, d, func(time.Time) {
		wg.Go(func() {
			switch err := f.call(calling); {
			case err == nil:
				f.served.Add(1)
			case errors.Is(err, load.ErrBusy):
				f.refused.Add(1)
			case calling.Err() == nil:
				failed.Store(err)
			}
		})
	})
	giveUp()
	wg.Wait()
	err, _ := failed.Load().(error)
	return err
}
