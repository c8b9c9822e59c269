package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/xivo-auth/xivo-auth/bench/load"
	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
)

// clients is how many connections the wanted figures are for.
const clients = 64

// head is the check that services make.
func head(address, secret string) []byte {
	return []byte("HEAD /0.1/token/" + secret + "?scope=" + stack.Scope + " HTTP/1.1\r\nHost: " + address +
		"\r\nUser-Agent: python-requests/2.32.3\r\nAccept: application/json\r\nWazo-Tenant: 2c34c282-433e-4bb8-8d56-fec14ff7e1e9\r\n\r\n")
}

// checksOf are checks of seeded tokens, at most 16,384 different ones spread over all.
func checksOf(address string, tokens int) load.Target {
	const different = 16_384
	n := min(tokens, different)
	t := load.Target{Address: address, Want: http.StatusNoContent, Requests: make([][]byte, n)}
	for i := range t.Requests {
		t.Requests[i] = head(address, stack.Secret(i*(tokens/n)))
	}
	return t
}

// system is one of the servers that are compared.
type system struct {
	name   string
	server *stack.Server
	target load.Target
	rates  map[int][]float64 // by connections
	p99    map[int][]float64 // ms
	// Processor time a request, us: of the server, of PostgreSQL, of the load.
	cpu, postgres, load map[int][]float64
	cluster             stack.Cluster
}

func (s *suite) system(name string, server *stack.Server, tokens int) *system {
	return &system{name: name, server: server, target: checksOf(server.Address, tokens), cluster: s.cluster, rates: map[int][]float64{},
		p99: map[int][]float64{}, cpu: map[int][]float64{}, postgres: map[int][]float64{}, load: map[int][]float64{}}
}

func (s *system) measure(ctx context.Context, connections int, d time.Duration) error {
	before, err := s.spent()
	if err != nil {
		return err
	}
	o, err := load.Closed(ctx, s.target, connections, d)
	if err != nil {
		return fmt.Errorf("%s at %d connections: %w", s.name, connections, err)
	}
	after, err := s.spent()
	if err != nil {
		return err
	}
	s.rates[connections] = append(s.rates[connections], o.Rate)
	s.p99[connections] = append(s.p99[connections], ms(o.Quantile(.99)))
	for i, to := range []map[int][]float64{s.cpu, s.postgres, s.load} {
		to[connections] = append(to[connections], float64((after[i]-before[i]).Microseconds())/float64(o.Count()))
	}
	return nil
}

// spent is the processor time of the server, of PostgreSQL and of this process.
func (s *system) spent() (t [3]time.Duration, err error) {
	for i, read := range []func() (time.Duration, error){s.server.CPU, s.cluster.CPU, stack.SelfCPU} {
		if t[i], err = read(); err != nil {
			return t, err
		}
	}
	return t, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measureChecks compares the API's check with a handler that does nothing and with one query for each request.
func (s *suite) measureChecks(ctx context.Context) error {
	tokens := pick(s, 5_000, 100_000)
	db, drop, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	if _, err := db.SeedTokens(ctx, stack.Tokens{Count: tokens, Expiry: time.Now().Add(24 * time.Hour)}); err != nil {
		return err
	}
	api, err := s.programs.API(ctx, db)
	if err != nil {
		return err
	}
	defer api.Stop()
	headers, err := headersOf(ctx, api.Address)
	if err != nil {
		return err
	}
	gin, err := s.programs.Baseline(ctx, bare, headers...)
	if err != nil {
		return err
	}
	defer gin.Stop()
	// As many connections as the API's own pool has by default.
	pool := max(10, 4*cores())
	query, err := s.programs.Baseline(ctx, oneQuery, append(headers, "-uri", db.URI, "-connections", strconv.Itoa(pool))...)
	if err != nil {
		return err
	}
	defer query.Stop()

	ours, none, one := s.system("api", api, tokens), s.system(bare, gin, tokens), s.system(oneQuery, query, tokens)
	for _, sys := range []*system{none, one, ours} {
		if _, err := load.Closed(ctx, sys.target, clients, pick(s, 100*time.Millisecond, 2*time.Second)); err != nil {
			return fmt.Errorf("%s: %w", sys.name, err)
		}
	}
	levels := []int{clients, 1, 16, 256}
	for _, n := range levels {
		d := pick(s, 200*time.Millisecond, 3*time.Second)
		if n == clients {
			d = pick(s, 200*time.Millisecond, 5*time.Second)
		}
		for range s.rounds() {
			for _, sys := range []*system{none, ours, one} {
				if err := sys.measure(ctx, n, d); err != nil {
					return err
				}
			}
		}
	}
	for _, n := range levels {
		s.reportChecks(n, none, one, ours)
	}
	return nil
}

func (s *suite) reportChecks(n int, none, one, ours *system) {
	overBare, overOne, p99 := report.Goal{}, report.Goal{}, report.Goal{}
	if n == clients {
		overBare, overOne, p99 = report.AtLeast(0.5), report.AtLeast(2), report.Below(10)
	}
	key := fmt.Sprintf("checks_%d_", n)
	s.report.Ratio(key+"over_bare_gin", overBare, ours.rates[n], none.rates[n], "")
	s.report.Ratio(key+"over_one_query", overOne, ours.rates[n], one.rates[n], "")
	s.report.Add(key+"p99_ms", p99, ours.p99[n], "")
	s.report.Add(key+"per_s", report.Goal{}, ours.rates[n], "")
	s.report.Add(key+"cpu_us", report.Goal{}, ours.cpu[n], "of the api process, a check")
	s.report.Add(key+"postgres_cpu_us", report.Goal{}, ours.postgres[n], "of PostgreSQL")
	s.report.Add(key+"load_cpu_us", report.Goal{}, ours.load[n], "of the load")
	s.report.Add(key+"bare_gin_per_s", report.Goal{}, none.rates[n], "")
	s.report.Add(key+"bare_gin_cpu_us", report.Goal{}, none.cpu[n], "")
	s.report.Add(key+"one_query_per_s", report.Goal{}, one.rates[n], "")
	s.report.Add(key+"one_query_p99_ms", report.Goal{}, one.p99[n], "")
	s.report.Add(key+"one_query_cpu_us", report.Goal{}, one.cpu[n], "")
	s.report.Add(key+"one_query_postgres_cpu_us", report.Goal{}, one.postgres[n], "")
}

// headersOf are the headers of the API's answer to a check, as arguments of a baseline, which is to send the same. Date is
// net/http's own.
func headersOf(ctx context.Context, address string) ([]string, error) {
	status, answer, err := load.Head(ctx, address, head(address, stack.Secret(0)))
	if err != nil {
		return nil, err
	}
	if status != http.StatusNoContent {
		return nil, fmt.Errorf("the first check was answered with %d", status)
	}
	var args []string
	for line := range strings.SplitSeq(string(answer), "\r\n") {
		if name, _, ok := strings.Cut(line, ": "); ok && name != "Date" {
			args = append(args, "-header", line)
		}
	}
	return args, nil
}

// measureMillion asks whether the number of tokens matters: for the rate of checks, for memory, for the start.
func (s *suite) measureMillion(ctx context.Context) error {
	few, many := pick(s, 100, 1_000), pick(s, 20_000, 1_000_000)
	small, err := s.checked(ctx, "1k", few)
	if err != nil {
		return err
	}
	defer small.close()
	big, err := s.checked(ctx, "1m", many)
	if err != nil {
		return err
	}
	defer big.close()
	for range s.rounds() {
		for _, c := range []*checked{small, big} {
			if err := c.measure(ctx, clients, pick(s, 200*time.Millisecond, 5*time.Second)); err != nil {
				return err
			}
		}
	}
	s.report.Ratio("checks_1m_over_1k", report.AtLeast(0.9), big.rates[clients], small.rates[clients], fmt.Sprintf("%d rows over %d", many, few))
	s.report.Add("checks_1m_per_s", report.Goal{}, big.rates[clients], "")
	if err := s.memory(ctx, small, big); err != nil {
		return err
	}
	return s.starts(ctx, big)
}

// checked is a database with an API on it.
type checked struct {
	*system
	db   stack.Database
	drop func()
}

func (s *suite) checked(ctx context.Context, name string, tokens int) (*checked, error) {
	db, drop, err := s.database(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := db.SeedTokens(ctx, stack.Tokens{Count: tokens, Expiry: time.Now().Add(24 * time.Hour)}); err != nil {
		drop()
		return nil, err
	}
	api, err := s.programs.API(ctx, db)
	if err != nil {
		drop()
		return nil, err
	}
	c := &checked{s.system(name, api, tokens), db, drop}
	if _, err := load.Closed(ctx, c.target, clients, pick(s, 100*time.Millisecond, 4*time.Second)); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *checked) close() {
	c.server.Stop()
	c.drop()
}

// memory reads what the APIs take after the load, then lets them hash passwords.
func (s *suite) memory(ctx context.Context, small, big *checked) error {
	few, _, err := small.server.RSS()
	if err != nil {
		return err
	}
	many, peak, err := big.server.RSS()
	if err != nil {
		return err
	}
	s.report.One("rss_api_mb", report.AtMost(64), mb(many), "after the checks at 1 M rows, before any login")
	s.report.One("rss_api_peak_mb", report.Goal{}, mb(peak), "until then")
	s.report.One("rss_api_1k_mb", report.Goal{}, mb(few), "the same with 1 k rows")
	if err := big.db.SeedUsers(ctx, users, productionCost); err != nil {
		return err
	}
	logins := load.NewLogins(big.server.Address)
	defer logins.Close()
	if _, err := load.Calls(ctx, 4*hashes(), pick(s, time.Second, 5*time.Second), passwordLogin(logins)); err != nil {
		return err
	}
	if _, peak, err = big.server.RSS(); err != nil {
		return err
	}
	s.report.One("rss_api_logins_peak_mb", report.Goal{}, mb(peak), "peak while logins keep all hash slots busy")
	return nil
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// starts measures from the start of the process to its first answer.
func (s *suite) starts(ctx context.Context, c *checked) error {
	c.server.Stop()
	var took []float64
	for range pick(s, 2, 5) {
		begin := time.Now()
		api, err := s.programs.LaunchAPI(ctx, c.db)
		if err != nil {
			return err
		}
		request := head(api.Address, stack.Secret(0))
		err = api.Await(ctx, func() bool {
			status, _, err := load.Head(ctx, api.Address, request)
			return err == nil && status == http.StatusNoContent
		})
		took = append(took, ms(time.Since(begin)))
		api.Stop()
		if err != nil {
			return err
		}
	}
	s.report.Add("start_ms", report.Below(300), took, "from exec to the first check answered, 1 M rows")
	return nil
}

// measureBinaries reports sizes.
func (s *suite) measureBinaries(context.Context) error {
	for _, name := range []string{"api", "worker", "xivo-auth"} {
		f, err := os.Stat(s.bin + "/" + name)
		if err != nil {
			return err
		}
		s.report.One("binary_"+strings.ReplaceAll(name, "-", "_")+"_mb", report.Goal{}, mb(f.Size()), "")
	}
	return nil
}
