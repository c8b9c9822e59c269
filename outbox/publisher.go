package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/tracing"
)

// Bus is the other sink: where events go.
type Bus interface {
	// Connect makes a connection that is ready to publish: the exchange is declared, confirms are on.
	Connect(ctx context.Context) (BusConnection, error)
}

// BusConnection is one connection to a broker.
type BusConnection interface {
	// Publish writes messages out without waiting for their confirms. One goroutine calls it.
	Publish(list []events.Message) error
	// Confirms says of each message, in the order of Publish, whether the broker took it. It is closed with the connection.
	Confirms() <-chan bool
	// Blocked says that the broker accepts nothing at the moment.
	Blocked() bool
	// Done is closed when the connection is no longer of use; Err says why.
	Done() <-chan struct{}
	Err() error
	// Close may be called more than once.
	Close()
}

// PublisherOptions of a publisher. Zero fields get the defaults in brackets.
type PublisherOptions struct {
	Pool *pgxpool.Pool
	// URI is a direct connection to the database for the lock; a transaction-mode pooler cannot serve it.
	URI     string
	Bus     Bus
	Origin  events.Origin
	Log     *slog.Logger
	Metrics *EventMetrics
	// Batch is how many events are read at once [256], Window how many may be published and not yet removed [1024]: the
	// library walks over all of them at every confirm.
	Batch, Window int
	// Poll is how often the publisher looks without being woken [1 s], Turn how often one without the lock asks for it [500 ms].
	Poll, Turn time.Duration
	// Tracer continues the traces of requests; nil where tracing is off. Messages say nothing of it.
	Tracer trace.Tracer
}

// Publisher publishes the log of events: one process at a time, whose turn a session lock of the database decides.
type Publisher struct {
	o    PublisherOptions
	q    *db.Queries
	wake chan struct{}
}

// NewPublisher makes a publisher; Run runs it.
func NewPublisher(o PublisherOptions) *Publisher {
	o.Batch = or(o.Batch, 256)
	o.Window = or(o.Window, 1024)
	o.Poll = or(o.Poll, time.Second)
	o.Turn = or(o.Turn, 500*time.Millisecond)
	return &Publisher{o: o, q: db.New(), wake: make(chan struct{}, 1)}
}

// Poke makes the publisher look again.
func (p *Publisher) Poke() { poke(p.wake) }

// longestRetry between two attempts to reach the broker: it is heard of within a second of its return.
const longestRetry = time.Second

// Run publishes until ctx is over, then waits a moment for the confirms that are outstanding. Outages end nothing.
func (p *Publisher) Run(ctx context.Context) {
	insist(ctx, longestRetry, p.session, func(wait time.Duration, err error) {
		p.o.Log.WarnContext(ctx, "events wait, they cannot be published", "retry_in", wait, "error", err)
	})
}

// session is the life of one connection to the broker. It is made before the turn is taken, so that a process that does not
// reach the broker leaves the turn to one that does.
func (p *Publisher) session(ctx context.Context) error {
	bus, err := p.o.Bus.Connect(ctx)
	if err != nil {
		return fmt.Errorf("connect to the bus: %w", err)
	}
	defer bus.Close()
	turn, err := p.takeTurn(ctx, bus)
	if err != nil {
		return err
	}
	defer closeSoon(turn)
	p.o.Log.InfoContext(ctx, "publishing events")
	return p.publish(ctx, bus, turn)
}

// publish runs the three stages: events are read and written to the broker, confirmed, removed. Each bears what the others
// leave undone: an event that was not removed is published again, with the same id and body.
func (p *Publisher) publish(ctx context.Context, bus BusConnection, turn *pgx.Conn) error {
	u := &underway{ids: map[int64]struct{}{}, freed: make(chan struct{}, 1)}
	sent, confirmed := make(chan sentEvent, p.o.Window), make(chan int64, p.o.Window)
	settling, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	var wg sync.WaitGroup
	var refused error
	wg.Go(func() {
		defer close(confirmed)
		if refused = p.await(bus, sent, confirmed); refused != nil {
			bus.Close() // ends feed
		}
	})
	wg.Go(func() { p.settle(settling, confirmed, u) })

	err := p.feed(ctx, bus, turn, sent, u)
	close(sent)
	outstanding := time.AfterFunc(patience, bus.Close)
	settled := time.AfterFunc(2*patience, giveUp)
	wg.Wait()
	outstanding.Stop()
	settled.Stop()
	if refused != nil {
		return refused
	}
	return err
}

// patience is how long the end of a session waits for confirms, and again for the removal of what was confirmed.
const patience = 2 * time.Second

// sentEvent waits for its confirm.
type sentEvent struct {
	id   int64
	name string
	// owed is when the event came into the log, by this process's clock.
	owed time.Time
	// span lasts until the confirm; nil without a trace.
	span trace.Span
}

// feed reads events in the order of the log and writes them to the broker.
func (p *Publisher) feed(ctx context.Context, bus BusConnection, turn *pgx.Conn, sent chan<- sentEvent, u *underway) error {
	poll := time.NewTicker(p.o.Poll)
	defer poll.Stop()
	for ctx.Err() == nil {
		underWay, n := u.ranges()
		room := min(p.o.Batch, p.o.Window-n)
		if bus.Blocked() {
			room = 0
		}
		// Even without room the lock's connection is used, which tells the server, and this process, that it lives.
		rows, err := p.page(ctx, turn, underWay, room)
		if err != nil {
			if ctx.Err() != nil {
				return nil // told to stop
			}
			return fmt.Errorf("read events: %w", err)
		}
		if err := p.send(ctx, bus, rows, sent, u); err != nil {
			return err
		}
		if room > 0 && len(rows) == room {
			continue
		}
		select {
		case <-ctx.Done():
		case <-bus.Done():
			return fmt.Errorf("the bus: %w", bus.Err())
		case <-u.freedIf(room == 0):
		case <-p.wake:
		case <-poll.C:
		}
	}
	return nil
}

func (p *Publisher) page(ctx context.Context, turn *pgx.Conn, underWay pgtype.Multirange[pgtype.Range[pgtype.Int8]], room int) ([]db.EventPageRow, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return p.q.EventPage(ctx, turn, db.EventPageParams{UnderWay: underWay, MaxRows: int32(room)}) //nolint:gosec // a small number
}

func (p *Publisher) send(ctx context.Context, bus BusConnection, rows []db.EventPageRow, sent chan<- sentEvent, u *underway) error {
	if len(rows) == 0 {
		return nil
	}
	now, messages := time.Now(), make([]events.Message, len(rows))
	for i, row := range rows {
		m, err := p.o.Origin.Message(row.EventUUID, row.HappenedAt, events.Description{Name: row.Name, RoutingKey: row.RoutingKey,
			Tenant: row.TenantUUID, Audience: row.Audience, Session: row.SessionUUID, Data: row.Data})
		if err != nil {
			return err
		}
		messages[i] = m
	}
	for _, row := range rows {
		u.add(row.ID)
		_, span := tracing.Resume(ctx, p.o.Tracer, row.Traceparent, "publish "+row.Name, trace.SpanKindProducer)
		sent <- sentEvent{row.ID, row.Name, now.Add(-time.Duration(row.AgeSeconds * float64(time.Second))), span}
	}
	if err := bus.Publish(messages); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

// await pairs confirms with what was sent.
func (p *Publisher) await(bus BusConnection, sent <-chan sentEvent, confirmed chan<- int64) error {
	for s := range sent {
		took, open := <-bus.Confirms()
		if !open {
			return nil // feed tells
		}
		if !took {
			err := errors.New("the broker refused an event")
			tracing.End(s.span, err)
			return err
		}
		tracing.End(s.span, nil)
		p.o.Metrics.published(s)
		confirmed <- s.id
	}
	return nil
}

// settle removes confirmed events, many in one statement, and does not rest until it has.
func (p *Publisher) settle(ctx context.Context, confirmed <-chan int64, u *underway) {
	for id := range confirmed {
		ids := gather(id, confirmed, p.o.Batch)
		insist(ctx, longestRetry, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return db.Retry(ctx, func() error { return p.q.EventDelete(ctx, p.o.Pool, ids) })
		}, func(wait time.Duration, err error) {
			p.o.Log.WarnContext(ctx, "published events could not be removed", "events", len(ids), "retry_in", wait, "error", err)
		})
		u.remove(ids)
	}
}

// underway are the events that were published and are still in the log.
type underway struct {
	mu    sync.Mutex
	ids   map[int64]struct{}
	freed chan struct{}
}

// ranges gives the ids as EventPage takes them, and their number. Neighbours share a range; an id that is not under way is
// in none, however close.
func (u *underway) ranges() (pgtype.Multirange[pgtype.Range[pgtype.Int8]], int) {
	u.mu.Lock()
	ids := slices.Sorted(maps.Keys(u.ids))
	u.mu.Unlock()
	ranges := pgtype.Multirange[pgtype.Range[pgtype.Int8]]{}
	for i := 0; i < len(ids); {
		first, last := ids[i], ids[i]
		for i++; i < len(ids) && ids[i] == last+1; i++ {
			last++
		}
		ranges = append(ranges, pgtype.Range[pgtype.Int8]{
			Lower: pgtype.Int8{Int64: first, Valid: true}, LowerType: pgtype.Inclusive,
			Upper: pgtype.Int8{Int64: last, Valid: true}, UpperType: pgtype.Inclusive,
			Valid: true,
		})
	}
	return ranges, len(ids)
}

func (u *underway) add(id int64) {
	u.mu.Lock()
	u.ids[id] = struct{}{}
	u.mu.Unlock()
}

func (u *underway) remove(ids []int64) {
	u.mu.Lock()
	for _, id := range ids {
		delete(u.ids, id)
	}
	u.mu.Unlock()
	poke(u.freed)
}

// freedIf is told when events were removed, if somebody waits for room.
func (u *underway) freedIf(waiting bool) <-chan struct{} {
	if !waiting {
		return nil
	}
	return u.freed
}
