package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/xivo-auth/xivo-auth/bench/load"
	"github.com/xivo-auth/xivo-auth/bench/report"
	"github.com/xivo-auth/xivo-auth/bench/stack"
	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/outbox"
)

// publishAhead is how many messages are out without a confirm in the bare loop, as many as the worker allows itself.
const publishAhead = 1024

// measureEvents commits 20 events a second and looks how soon a consumer has each: the broker confirms a message when it
// has handed it to the queue. Then it lets a worker publish a backlog and compares that with a bare loop of publishes.
func (s *suite) measureEvents(ctx context.Context) error {
	broker, err := s.programs.Broker(ctx)
	if err != nil {
		return err
	}
	defer broker.Stop()
	programs := s.programs
	programs.Settings = append(programs.Settings[:len(programs.Settings):len(programs.Settings)], "XIVO_AUTH_AMQP_URI="+broker.URI)
	d, drop, err := s.database(ctx)
	if err != nil {
		return err
	}
	defer drop()
	heard, err := listenTo(broker.URI)
	if err != nil {
		return err
	}
	defer heard.close()
	if err := s.eventLatency(ctx, programs, d, heard); err != nil {
		return err
	}
	if err := s.eventRate(ctx, programs, d, broker.URI, heard); err != nil {
		return err
	}
	return s.loginsBesideBroker(ctx, programs, d)
}

func (s *suite) eventLatency(ctx context.Context, programs stack.Programs, d stack.Database, heard *listener) error {
	worker, err := programs.Worker(ctx, d)
	if err != nil {
		return err
	}
	defer worker.Stop()
	log, waker := outbox.NewEvents(true), outbox.NewWaker(d.Pool, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	tell := func(ctx context.Context) error {
		session := uuid.New()
		heard.expect(session.String())
		err := db.InTx(ctx, d.Pool, func(tx pgx.Tx) error {
			return log.Add(ctx, tx, events.SessionCreated{UUID: session, Tenant: uuid.New(), AuthID: uuid.NewString()})
		})
		heard.committed(session.String(), time.Now())
		waker.Wake()
		return err
	}
	if err := errors.Join(tell(ctx), heard.all(ctx)); err != nil { // the worker is up
		return err
	}
	var p50, p99, worst []float64
	for range s.rounds() {
		heard.reset()
		var failed error
		load.Pace(ctx, 20, pick(s, 3*time.Second, 30*time.Second), func(time.Time) { failed = errors.Join(failed, tell(ctx)) })
		if err := errors.Join(failed, heard.all(ctx)); err != nil {
			return err
		}
		p50, p99, worst = append(p50, ms(heard.delays.Quantile(.5))), append(p99, ms(heard.delays.Quantile(.99))), append(worst, ms(heard.delays.Quantile(1)))
	}
	s.report.Add("event_p50_ms", report.Below(3), p50, "from the commit until a consumer has it; 20 a second")
	s.report.Add("event_p99_ms", report.Below(10), p99, "")
	s.report.Add("event_max_ms", report.Goal{}, worst, "")
	return nil
}

func (s *suite) eventRate(ctx context.Context, programs stack.Programs, d stack.Database, uri string, heard *listener) error {
	n := pick(s, 2000, 50_000)
	var ours, bare []float64
	for range s.rounds() {
		rate, err := publishBare(ctx, uri, n, heard)
		if err != nil {
			return err
		}
		bare = append(bare, rate)
		if _, err := d.Pool.Exec(ctx, `INSERT INTO event_outbox (name, routing_key, tenant_uuid, audience, session_uuid, data)
			SELECT 'auth_session_deleted', 'auth.sessions.' || u || '.deleted', u, u::text, u, jsonb_build_object('uuid', u, 'tenant_uuid', u, 'user_uuid', u)
			FROM (SELECT gen_random_uuid() AS u FROM generate_series(1, $1)) AS x`, n); err != nil {
			return err
		}
		heard.reset()
		worker, err := programs.Worker(ctx, d)
		if err != nil {
			return err
		}
		rate, err = heard.rate(ctx, n)
		worker.Stop()
		if err != nil {
			return err
		}
		ours = append(ours, rate)
	}
	s.report.Ratio("events_over_bare", report.AtLeast(.7), ours, bare, fmt.Sprintf("a backlog of %d; bare: publishes with pipelined confirms", n))
	s.report.Add("events_per_s", report.Goal{}, ours, "")
	s.report.Add("bare_publishes_per_s", report.Goal{}, bare, "")
	return nil
}

// loginsBesideBroker compares logins by refresh token, each of which owes an event, while a worker publishes those and while
// it finds no broker.
func (s *suite) loginsBesideBroker(ctx context.Context, programs stack.Programs, d stack.Database) error {
	if err := d.SeedUsers(ctx, users, productionCost); err != nil {
		return err
	}
	api, err := programs.API(ctx, d)
	if err != nil {
		return err
	}
	defer api.Stop()
	logins := load.NewLogins(api.Address)
	defer logins.Close()
	away := programs
	away.Settings = slices.Concat(programs.Settings, []string{"XIVO_AUTH_AMQP_URI=amqp://127.0.0.1:1"})
	beside := func(p stack.Programs) (float64, error) {
		// What the round before left owing would be worked off in this one.
		if _, err := d.Pool.Exec(ctx, "TRUNCATE event_outbox, lifetime_due"); err != nil {
			return 0, err
		}
		worker, err := p.Worker(ctx, d)
		if err != nil {
			return 0, err
		}
		defer worker.Stop()
		return load.Calls(ctx, 16, pick(s, time.Second, 5*time.Second), refreshLogin(logins))
	}
	var up, down []float64
	for range s.rounds() {
		for _, x := range []struct {
			programs stack.Programs
			rates    *[]float64
		}{{programs, &up}, {away, &down}} {
			rate, err := beside(x.programs)
			if err != nil {
				return err
			}
			*x.rates = append(*x.rates, rate)
		}
	}
	s.report.Ratio("logins_broker_down_over_up", report.Goal{}, down, up, "logins by refresh token, 16 clients")
	return nil
}

// publishBare publishes n messages like those of the worker, made beforehand, and gives how many a second arrive. Each has a
// routing key of its own, as those of the worker: that costs the broker a third more than one key for all.
func publishBare(ctx context.Context, uri string, n int, heard *listener) (float64, error) {
	conn, err := amqp091.Dial(uri)
	if err != nil {
		return 0, err
	}
	defer conn.Close() //nolint:errcheck // it only published
	ch, err := conn.Channel()
	if err != nil {
		return 0, err
	}
	if err := ch.Confirm(false); err != nil {
		return 0, err
	}
	confirms := ch.NotifyPublish(make(chan amqp091.Confirmation, publishAhead))
	list := make([]events.Message, n)
	for i := range list {
		session := uuid.New()
		list[i], err = events.Origin{Location: time.UTC}.Message(uuid.New(), time.Now(), events.SessionDeleted{UUID: session, Tenant: session, AuthID: session.String()}.Describe())
		if err != nil {
			return 0, err
		}
	}
	heard.reset()
	failed := make(chan error, 1)
	go func() {
		ahead := 0
		for _, m := range list {
			if ahead == publishAhead {
				<-confirms
				ahead--
			}
			err := ch.Publish("xivo", m.RoutingKey, false, false, amqp091.Publishing{Headers: m.Headers, ContentType: "application/json",
				ContentEncoding: "utf-8", DeliveryMode: amqp091.Persistent, MessageId: m.ID.String(), Body: m.Body})
			if err != nil {
				failed <- err
				return
			}
			ahead++
		}
		for range ahead {
			<-confirms
		}
		failed <- nil
	}()
	rate, err := heard.rate(ctx, n)
	return rate, errors.Join(err, <-failed)
}

// listener is a consumer of everything.
type listener struct {
	conn *amqp091.Connection
	in   <-chan amqp091.Delivery

	mu      sync.Mutex
	waiting map[string]time.Time // session to commit; zero: not committed yet
	arrived map[string]time.Time // before its commit was known here
	delays  *load.Histogram
	n       int
	first   time.Time
	last    time.Time
}

func listenTo(uri string) (*listener, error) {
	conn, err := amqp091.Dial(uri)
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if err := ch.ExchangeDeclare("xivo", "topic", true, false, false, false, nil); err != nil {
		return nil, err
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, err
	}
	if err := ch.QueueBind(q.Name, "#", "xivo", false, nil); err != nil {
		return nil, err
	}
	in, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, err
	}
	l := &listener{conn: conn, in: in}
	l.reset()
	go l.listen()
	return l, nil
}

func (l *listener) close() { _ = l.conn.Close() }

func (l *listener) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting, l.arrived, l.delays, l.n = map[string]time.Time{}, map[string]time.Time{}, &load.Histogram{}, 0
}

func (l *listener) listen() {
	for m := range l.in {
		now := time.Now()
		session, _ := m.Headers["session_uuid"].(string)
		l.mu.Lock()
		if l.n++; l.n == 1 {
			l.first = now
		}
		l.last = now
		if at, ok := l.waiting[session]; ok && !at.IsZero() {
			l.delays.Observe(now.Sub(at))
			delete(l.waiting, session)
		} else if ok {
			l.arrived[session] = now
		}
		l.mu.Unlock()
	}
}

func (l *listener) expect(session string) {
	l.mu.Lock()
	l.waiting[session] = time.Time{}
	l.mu.Unlock()
}

func (l *listener) committed(session string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if arrived, ok := l.arrived[session]; ok { // by polling
		l.delays.Observe(max(0, arrived.Sub(at)))
		delete(l.waiting, session)
		return
	}
	l.waiting[session] = at
}

// all waits until nothing that was committed is missing.
func (l *listener) all(ctx context.Context) error {
	return stack.Until(ctx, 10*time.Millisecond, time.Minute, func(context.Context) (bool, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.waiting) == 0, nil
	})
}

// rate waits for n messages and gives how many a second arrived.
func (l *listener) rate(ctx context.Context, n int) (float64, error) {
	err := stack.Until(ctx, 10*time.Millisecond, 2*time.Minute, func(context.Context) (bool, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.n >= n, nil
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(n) / l.last.Sub(l.first).Seconds(), err
}
