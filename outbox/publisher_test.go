package outbox_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/events/amqp"
	"github.com/xivo-auth/xivo-auth/events/amqp/amqptest"
	"github.com/xivo-auth/xivo-auth/outbox"
)

type rabbit struct{ *amqp.Bus }

func (r rabbit) Connect(ctx context.Context) (outbox.BusConnection, error) {
	c, err := r.Bus.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

var origin = events.Origin{UUID: "the-installation", Location: time.UTC}

// publisher runs one until the test ends or stop is called.
func (b *bundle) publisher(t *testing.T, broker *amqptest.Broker, change ...func(*outbox.PublisherOptions)) (stop func()) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	o := outbox.PublisherOptions{Pool: b.pool, URI: b.uri, Log: log, Metrics: outbox.NewEventMetrics(prometheus.NewRegistry()),
		Origin: origin, Bus: rabbit{amqp.New(amqp.Options{URI: broker.URI, Exchange: "xivo", ExchangeType: "topic", Name: "test"})}}
	for _, c := range change {
		c(&o)
	}
	p := outbox.NewPublisher(o)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { outbox.Listen(ctx, b.uri, log, p.Poke) })
	wg.Go(func() { p.Run(ctx) })
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func (b *bundle) owe(t *testing.T, list ...events.Event) {
	t.Helper()
	err := db.InTx(t.Context(), b.pool, func(tx pgx.Tx) error { return outbox.NewEvents(true).Add(t.Context(), tx, list...) })
	require.NoError(t, err)
	require.NoError(t, db.New().LifetimeDueNotify(t.Context(), b.pool))
}

func (b *bundle) toldAll(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		backlog, err := outbox.ReadEventBacklog(t.Context(), b.pool)
		return err == nil && backlog == outbox.EventBacklog{}
	}, time.Minute, 20*time.Millisecond)
}

// sessionEvent is an event of one session, the n-th.
func sessionEvent(session uuid.UUID, n int) events.Event {
	return events.SessionDeleted{UUID: session, Tenant: session, AuthID: fmt.Sprint(n)}
}

func TestPublishing(t *testing.T) {
	t.Parallel()
	broker := amqptest.Start(t)
	t.Run("events go out whole and in the order of the log, and leave it", func(t *testing.T) {
		b := setup(t)
		heard := broker.Listen(t, "")
		stop := b.publisher(t, broker)
		name := "Zoë 🦊"
		b.owe(t, events.TenantAdded{UUID: b.top, Name: &name, Slug: "zoe", DomainNames: []string{"a.example.com"}}, events.TenantDeleted{UUID: b.top})
		added := heard.Next(t)
		require.Equal(t, "auth_tenant_deleted", heard.Next(t).Headers["name"])
		id, err := uuid.Parse(added.MessageId)
		require.NoError(t, err)
		require.NotEqual(t, uuid.Nil, id)
		at, _ := added.Headers["timestamp"].(string)
		moment, err := time.Parse("2006-01-02T15:04:05.000000", at)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), moment, time.Minute)
		top := b.top.String()
		require.Equal(t, amqp091.Table{"name": "auth_tenant_added", "origin_uuid": "the-installation", "timestamp": at,
			"required_access": "event.auth_tenant_added", "required_acl": "events.auth.tenants." + top + ".created", "tenant_uuid": top,
			"user_uuid:*": true}, added.Headers)
		require.Equal(t, "auth.tenants."+top+".created", added.RoutingKey)
		require.JSONEq(t, `{"name": "auth_tenant_added", "origin_uuid": "the-installation", "timestamp": "`+at+`",
			"required_access": "event.auth_tenant_added", "required_acl": "events.auth.tenants.`+top+`.created", "tenant_uuid": "`+top+`",
			"user_uuid:*": true, "data": {"uuid": "`+top+`", "name": "Zo\u00eb \ud83e\udd8a", "slug": "zoe", "domain_names": ["a.example.com"]}}`,
			string(added.Body))
		require.NotContains(t, string(added.Body), "ë", "the body is ASCII")
		added.Acknowledger, added.Body, added.Headers, added.ConsumerTag = nil, nil, nil, ""
		require.Equal(t, amqp091.Delivery{ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: 2, MessageId: added.MessageId,
			DeliveryTag: added.DeliveryTag, Exchange: "xivo", RoutingKey: added.RoutingKey}, added)
		b.toldAll(t)
		stop()
	})
	t.Run("a crash between publishing and removing repeats the event as it was", func(t *testing.T) {
		b := setup(t)
		heard := broker.Listen(t, "")
		tx, err := b.pool.Begin(t.Context())
		require.NoError(t, err)
		b.owe(t, sessionEvent(uuid.New(), 0))
		_, err = tx.Exec(t.Context(), "SELECT FROM event_outbox FOR UPDATE") // nobody can remove it
		require.NoError(t, err)
		stop := b.publisher(t, broker)
		first := heard.Next(t)
		stop()
		_, err = b.pool.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
		require.NoError(t, err)
		require.NoError(t, tx.Rollback(t.Context()))
		stop = b.publisher(t, broker)
		second := heard.Next(t)
		require.Equal(t, first.MessageId, second.MessageId)
		require.Equal(t, string(first.Body), string(second.Body))
		b.toldAll(t)
		stop()
	})
	t.Run("one at a time publishes, and another takes over from one that is cut off", func(t *testing.T) {
		b := setup(t)
		heard := broker.Listen(t, "")
		stops := []func(){b.publisher(t, broker), b.publisher(t, broker)}
		session := uuid.New()
		for i := range 50 {
			b.owe(t, sessionEvent(session, i))
		}
		for i := range 50 {
			require.Equal(t, true, heard.Next(t).Headers[fmt.Sprint("user_uuid:", i)])
		}
		const turns = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
		var holders int
		require.NoError(t, b.pool.QueryRow(t.Context(), turns).Scan(&holders))
		require.Equal(t, 1, holders)
		_, err := b.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
		require.NoError(t, err)
		began := time.Now()
		b.owe(t, sessionEvent(session, 50))
		require.Equal(t, true, heard.Next(t).Headers["user_uuid:50"])
		require.Less(t, time.Since(began), 2*time.Second)
		b.toldAll(t)
		for _, stop := range stops {
			stop()
		}
		require.Empty(t, heard.Messages, "told twice")
	})
	t.Run("a late commit is told after its successors and is not left out", func(t *testing.T) {
		b := setup(t)
		heard := broker.Listen(t, "")
		late, err := b.pool.Begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, outbox.NewEvents(true).Add(t.Context(), late, sessionEvent(uuid.New(), 1)))
		stop := b.publisher(t, broker)
		b.owe(t, sessionEvent(uuid.New(), 2))
		require.Equal(t, true, heard.Next(t).Headers["user_uuid:2"])
		b.toldAll(t)
		require.NoError(t, late.Commit(t.Context()))
		require.Equal(t, true, heard.Next(t).Headers["user_uuid:1"])
		b.toldAll(t)
		stop()
	})
	t.Run("without a bus nothing is written", func(t *testing.T) {
		b := setup(t)
		require.NoError(t, outbox.NewEvents(false).Add(t.Context(), b.pool, sessionEvent(uuid.New(), 1)))
		b.toldAll(t)
	})
}

func TestTheBrokerIsKilledWhileAThousandChangesHappen(t *testing.T) {
	t.Parallel()
	broker := amqptest.Start(t)
	b := setup(t)
	broker.Keep(t, "all")
	b.publisher(t, broker)
	const sessions, each = 10, 100
	var ids [sessions]uuid.UUID
	half := make(chan struct{}, sessions)
	var wg sync.WaitGroup
	for s := range sessions {
		ids[s] = uuid.New()
		wg.Go(func() {
			for i := range each {
				b.owe(t, sessionEvent(ids[s], i))
				if i == each/3 {
					half <- struct{}{}
				}
			}
		})
	}
	for range sessions {
		<-half
	}
	broker.Kill()
	wg.Wait() // nobody waited for the broker
	broker.Restart(t)
	b.toldAll(t)
	kept := broker.Read(t, "all")
	bodies := map[string][]byte{}
	next := map[string]int{}
	for len(bodies) < sessions*each {
		m := kept.Next(t)
		if body, again := bodies[m.MessageId]; again {
			require.True(t, bytes.Equal(body, m.Body), "one id with two bodies")
			continue
		}
		bodies[m.MessageId] = m.Body
		session := fmt.Sprint(m.Headers["session_uuid"])
		require.Equal(t, true, m.Headers[fmt.Sprint("user_uuid:", next[session])], "the order of a session")
		next[session]++
	}
}
