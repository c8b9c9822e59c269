package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/outbox"
)

// sink records what is delivered. hold, if set, is called before a delivery succeeds and may block or fail it.
type sink struct {
	mu     sync.Mutex
	calls  []string
	starts map[uuid.UUID]int
	hold   func(call string) error
	seen   chan string
}

func newSink() *sink { return &sink{starts: map[uuid.UUID]int{}, seen: make(chan string, 10_000)} }

func (s *sink) deliver(call string) error {
	s.mu.Lock()
	s.calls = append(s.calls, call)
	hold := s.hold
	s.mu.Unlock()
	var err error
	if hold != nil {
		err = hold(call)
	}
	s.seen <- call
	return err
}

func (s *sink) StartLifetime(_ context.Context, x outbox.Start) error {
	s.mu.Lock()
	s.starts[x.Session]++
	s.mu.Unlock()
	return s.deliver("run " + x.Session.String())
}

func (s *sink) EndLifetime(_ context.Context, session uuid.UUID, reason string) error {
	return s.deliver("end " + session.String() + " " + reason)
}

func (s *sink) next(t *testing.T) string {
	t.Helper()
	select {
	case c := <-s.seen:
		return c
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was delivered")
		return ""
	}
}

type bundle struct {
	pool *pgxpool.Pool
	uri  string
	top  uuid.UUID
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{uri: dbtest.URI(t)}
	b.pool = dbtest.PoolOn(t, b.uri)
	b.top = factory.TopTenant(t.Context(), t, b.pool)
	return b
}

// relay runs a relay until the test ends or stop is called.
func (b *bundle) relay(t *testing.T, s outbox.Lifetimes, change func(*outbox.Options)) (stop func()) {
	t.Helper()
	o := outbox.Options{Pool: b.pool, Sink: s, Log: slog.New(slog.DiscardHandler), Metrics: outbox.NewMetrics(prometheus.NewRegistry())}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r := outbox.NewRelay(o)
	go outbox.Listen(ctx, b.uri, o.Log, r.Poke)
	go func() { r.Run(ctx); close(done) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

func (b *bundle) token(t *testing.T) uuid.UUID {
	t.Helper()
	session := uuid.New()
	h := slices.Concat(session[:], session[:])
	_, err := db.New().TokenIssue(t.Context(), b.pool, db.TokenIssueParams{SessionUUID: session, TokenHash: h, Kind: "user", AuthID: "a", TenantUUID: b.top,
		AccessList: h, Entries: []string{}, Metadata: []byte("{}"), Details: []byte("{}"), Backend: "b", LifetimeSeconds: 3600})
	require.NoError(t, err)
	return session
}

func (b *bundle) revoke(t *testing.T, session uuid.UUID) {
	t.Helper()
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	gone, err := db.New().TokenDeleteBySession(t.Context(), tx, db.TokenDeleteBySessionParams{SessionUUID: session, Tenants: []uuid.UUID{b.top}})
	require.NoError(t, err)
	require.Len(t, gone, 1)
	require.NoError(t, db.New().LifetimeDueEnd(t.Context(), tx, db.LifetimeDueEndParams{Sessions: []uuid.UUID{session}, Reason: "logout"}))
	require.NoError(t, tx.Commit(t.Context()))
}

func (b *bundle) drained(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		backlog, err := outbox.ReadBacklog(t.Context(), b.pool)
		return err == nil && backlog.Depth == 0
	}, 20*time.Second, 20*time.Millisecond)
}

func TestATokenRevokedBeforeItsLifetimeStartedNeverGetsOne(t *testing.T) {
	t.Parallel()
	b, s := setup(t), newSink()
	revoked := b.token(t)
	b.revoke(t, revoked)
	kept := b.token(t)
	b.relay(t, s, nil)
	require.Equal(t, "run "+kept.String(), s.next(t))
	b.drained(t)
	require.Len(t, s.calls, 1)
}

func TestEndNeverOvertakesRun(t *testing.T) {
	t.Parallel()
	b, s := setup(t), newSink()
	starting, proceed := make(chan struct{}), make(chan struct{})
	s.hold = func(call string) error {
		if call[:3] == "run" {
			close(starting)
			<-proceed
		}
		return nil
	}
	session := b.token(t)
	b.relay(t, s, nil)
	b.relay(t, s, nil) // another worker, idle and willing
	<-starting
	b.revoke(t, session) // the row is leased: it is turned round in place
	require.NoError(t, db.New().LifetimeDueNotify(t.Context(), b.pool))
	select {
	case c := <-s.seen:
		t.Fatalf("%s while the start was under way", c)
	case <-time.After(1500 * time.Millisecond): // longer than a polling interval
	}
	close(proceed)
	require.Equal(t, "run "+session.String(), s.next(t))
	require.Equal(t, "end "+session.String()+" logout", s.next(t))
	b.drained(t)
}

func TestAnOutageOfTheSinkFailsNoRowAndTheBacklogDrains(t *testing.T) {
	t.Parallel()
	b, s := setup(t), newSink()
	var away sync.Map
	away.Store("away", true)
	s.hold = func(string) error {
		if _, ok := away.Load("away"); ok {
			return fmt.Errorf("refused: %w", outbox.ErrSinkAway)
		}
		return nil
	}
	b.relay(t, s, nil)
	sessions := map[string]bool{}
	for range 50 {
		sessions["run "+b.token(t).String()] = true
	}
	for range 100 {
		s.next(t) // refused again and again
	}
	away.Delete("away")
	b.drained(t)
	var failures int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FROM lifetime_due").Scan(&failures))
	require.Zero(t, failures)
	for c := range sessions {
		require.Contains(t, s.calls, c)
	}
}

func TestAPoisonRowIsParkedListedAndBlocksNobody(t *testing.T) {
	t.Parallel()
	b, s := setup(t), newSink()
	poison := b.token(t)
	s.hold = func(call string) error {
		if call == "run "+poison.String() {
			return errors.New("no such thing")
		}
		return nil
	}
	b.relay(t, s, func(o *outbox.Options) { o.MaxFailures = 2 })
	good := b.token(t)
	require.Eventually(t, func() bool {
		backlog, err := outbox.ReadBacklog(t.Context(), b.pool)
		return err == nil && backlog.Parked == 1 && backlog.Depth == 0
	}, 20*time.Second, 20*time.Millisecond)
	require.Contains(t, s.calls, "run "+good.String())
	rows, err := db.New().LifetimeDueParked(t.Context(), b.pool, 10)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, poison, rows[0].SessionUUID)
	require.Equal(t, "no such thing", *rows[0].LastError)

	b.revoke(t, poison) // wanting something else frees it
	require.Eventually(t, func() bool {
		backlog, err := outbox.ReadBacklog(t.Context(), b.pool)
		return err == nil && backlog.Parked == 0 && backlog.Depth == 0
	}, 20*time.Second, 20*time.Millisecond)
}

func TestRowsOfAWorkerThatDiedAreDeliveredAgainAfterItsLease(t *testing.T) {
	t.Parallel()
	b, s := setup(t), newSink()
	session := b.token(t)
	leased, err := db.New().LifetimeDueLease(t.Context(), b.pool, db.LifetimeDueLeaseParams{MaxRows: 10, LeaseSeconds: 1})
	require.NoError(t, err)
	require.Len(t, leased, 1)
	b.relay(t, s, nil)
	require.Equal(t, "run "+session.String(), s.next(t))
	b.drained(t)
}

func TestALifetimeStartedPastItsLeaseIsEnded(t *testing.T) {
	t.Parallel()
	b, s := setup(t), newSink()
	session := b.token(t)
	s.hold = func(call string) error {
		if call == "run "+session.String() { // meanwhile the lease ran out and another worker did all the work
			_, err := b.pool.Exec(context.Background(), "DELETE FROM lifetime_due")
			if err == nil {
				_, err = b.pool.Exec(context.Background(), "DELETE FROM tokens")
			}
			return err
		}
		return nil
	}
	b.relay(t, s, nil)
	require.Equal(t, "run "+session.String(), s.next(t))
	require.Equal(t, "end "+session.String()+" gone", s.next(t))
	b.drained(t)
}

func TestManyRelaysShareTheWorkAndDeliverEachRowOnce(t *testing.T) {
	t.Parallel()
	b, s := setup(t), newSink()
	var stops []func()
	for range 3 {
		stops = append(stops, b.relay(t, s, nil))
	}
	const n = 300
	for range n {
		b.token(t)
	}
	b.drained(t)
	for _, stop := range stops {
		stop()
	}
	require.Len(t, s.starts, n)
	for _, times := range s.starts {
		require.Equal(t, 1, times)
	}
}

func TestARelayThatStopsGivesBackWhatItHasNotTried(t *testing.T) {
	t.Parallel()
	b, s := setup(t), newSink()
	busy, proceed := make(chan struct{}, 100), make(chan struct{})
	s.hold = func(string) error { busy <- struct{}{}; <-proceed; return nil }
	for range 40 {
		b.token(t)
	}
	stop := b.relay(t, s, func(o *outbox.Options) { o.Concurrency = 2 })
	<-busy
	time.AfterFunc(100*time.Millisecond, func() { close(proceed) })
	stop()
	var leased, left int
	require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT count(*) FILTER (WHERE leased_until > now()), count(*) FROM lifetime_due").Scan(&leased, &left))
	require.Zero(t, leased, "another worker need not wait for the lease")
	require.Positive(t, left)
}
