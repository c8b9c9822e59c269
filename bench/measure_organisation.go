package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/xivo-auth/xivo-auth/bench/load"
	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/client"
)

// administrators is how many callers work on the organisation at a time.
const administrators = 8

// measureOrganisation has administrators work on a large organisation, and starts an API on it.
func (s *suite) measureOrganisation(ctx context.Context) error {
	size := pick(s, stack.Organisation{Tenants: 50, Users: 1_000, Policies: 100}, stack.Organisation{Tenants: 5_000, Users: 100_000, Policies: 10_000})
	db, drop, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	if err := db.SeedOrganisation(ctx, size, productionCost); err != nil {
		return err
	}
	begin := time.Now()
	api, err := s.programs.API(ctx, db)
	if err != nil {
		return err
	}
	defer api.Stop()
	s.report.One("start_organisation_ms", report.Goal{}, ms(time.Since(begin)), fmt.Sprintf("from exec to the first answer, %d tenants", size.Tenants))
	auth, err := administrator(ctx, api)
	if err != nil {
		return err
	}
	var made atomic.Int64
	for _, m := range []struct {
		key, note string
		call      func(ctx context.Context) error
	}{
		{"user_get", "a user by uuid", func(ctx context.Context) error {
			_, err := auth.Users.Get(ctx, stack.User(rand.IntN(size.Users))) //nolint:gosec // which user is no secret
			return err
		}},
		{"user_search", fmt.Sprintf("100 of %d users whose names contain a text of 4 to 8 characters", size.Users), func(ctx context.Context) error {
			_, err := auth.Users.List(ctx, client.ListOptions{Recurse: true, Limit: 100, Search: fmt.Sprintf("ast%d", rand.IntN(9973))}) //nolint:gosec // any text will do
			return err
		}},
		{"user_create", "in one of the tenants, with an address, without a password", func(ctx context.Context) error {
			n := made.Add(1)
			name := fmt.Sprintf("made%d", n)
			_, err := auth.In(stack.Tenant(int(n)%size.Tenants)).Users.Create(ctx, client.NewUser{EmailAddress: name + "@example.org",
				User: client.User{Username: &name, Enabled: true}})
			return err
		}},
		{"policy_add", "to a user", func(ctx context.Context) error {
			return auth.Users.AddPolicy(ctx, stack.User(rand.IntN(size.Users)), stack.Policy(rand.IntN(size.Policies))) //nolint:gosec // any will do
		}},
	} {
		if err := s.administer(ctx, m.key, m.note, m.call); err != nil {
			return fmt.Errorf("%s: %w", m.key, err)
		}
	}
	return nil
}

// administrator is a client with the token of a seeded organisation's administrator.
func administrator(ctx context.Context, api *stack.Server) (*client.Client, error) {
	h := &http.Client{Timeout: client.DefaultTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: administrators}}
	anonymous, err := client.New("http://"+api.Address, client.WithHTTPClient(h))
	if err != nil {
		return nil, err
	}
	token, err := anonymous.Tokens.New(ctx, client.Credentials{Username: stack.Administrator, Password: stack.Password})
	if err != nil {
		return nil, err
	}
	return anonymous.With(token.Token), nil
}

// administer reports how often a second a call is made, and its 99th percentile.
func (s *suite) administer(ctx context.Context, key, note string, call func(context.Context) error) error {
	var rates, p99 []float64
	for range s.rounds() {
		var mu sync.Mutex
		var took load.Histogram
		rate, err := load.Calls(ctx, administrators, pick(s, 300*time.Millisecond, 5*time.Second), func(ctx context.Context) error {
			start := time.Now()
			err := call(ctx)
			mu.Lock()
			defer mu.Unlock()
			took.Observe(time.Since(start))
			return err
		})
		if err != nil {
			return err
		}
		rates, p99 = append(rates, rate), append(p99, ms(took.Quantile(.99)))
	}
	s.report.Add(key+"_per_s", report.Goal{}, rates, note)
	s.report.Add(key+"_p99_ms", report.Goal{}, p99, fmt.Sprintf("%d callers", administrators))
	return nil
}
