package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/events/amqp/amqptest"
)

// event is what a message has to be, beside its moment and its id.
type event struct {
	name, key, tenant string
	audience          string // of the header user_uuid:..., empty for none
	session           string
	data              fields
}

// is compares a whole message.
func (e event) is(t *testing.T, m amqp091.Delivery) {
	t.Helper()
	stamp, _ := m.Headers["timestamp"].(string)
	at, err := time.Parse("2006-01-02T15:04:05.000000", stamp)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().UTC(), at, time.Minute)
	_, err = uuid.Parse(m.MessageId)
	require.NoError(t, err)
	headers := fields{"name": e.name, "origin_uuid": "e2e", "timestamp": stamp, "required_access": "event." + e.name,
		"required_acl": "events." + e.key, "tenant_uuid": e.tenant}
	if e.audience != "" {
		headers["user_uuid:"+e.audience] = true
	}
	if e.session != "" {
		headers["session_uuid"] = e.session
	}
	require.Equal(t, headers, fields(m.Headers))
	require.Equal(t, e.key, m.RoutingKey)
	var body fields
	require.NoError(t, json.Unmarshal(m.Body, &body))
	headers["data"] = e.data
	require.Equal(t, headers, body)
	m.Acknowledger, m.Headers, m.Body, m.ConsumerTag, m.DeliveryTag = nil, nil, nil, "", 0
	require.Equal(t, amqp091.Delivery{ContentType: "application/json", ContentEncoding: "utf-8", DeliveryMode: amqp091.Persistent,
		MessageId: m.MessageId, Exchange: "xivo", RoutingKey: e.key}, m)
}

func sessionCreated(tenant, user string, session uuid.UUID, mobile bool) event {
	return event{"auth_session_created", "auth.sessions." + session.String() + ".created", tenant, user, session.String(),
		fields{"uuid": session.String(), "tenant_uuid": tenant, "user_uuid": user, "mobile": mobile}}
}

func sessionDeleted(tenant, user string, session uuid.UUID) event {
	return event{"auth_session_deleted", "auth.sessions." + session.String() + ".deleted", tenant, user, session.String(),
		fields{"uuid": session.String(), "tenant_uuid": tenant, "user_uuid": user}}
}

func expireSoon(tenant, user string, session uuid.UUID) event {
	return event{"auth_session_expire_soon", "auth.users." + user + ".sessions." + session.String() + ".expire_soon", tenant, user, session.String(),
		fields{"uuid": session.String(), "tenant_uuid": tenant, "user_uuid": user}}
}

// refreshToken is auth_refresh_token_created or _deleted; inKey is the client id in the routing key.
func refreshToken(verb, tenant, user, client, inKey string, mobile bool) event {
	return event{"auth_refresh_token_" + verb, "auth.users." + user + ".tokens." + inKey + "." + verb, tenant, user, "",
		fields{"client_id": client, "mobile": mobile, "user_uuid": user, "tenant_uuid": tenant}}
}

func tenantEvent(name, verb, tenant string, data fields) event {
	data["uuid"] = tenant
	return event{"auth_tenant_" + name, "auth.tenants." + tenant + "." + verb, tenant, "*", "", data}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	broker := amqptest.Start(t)
	s := newStack(t, options{apis: 1, workers: 2, settings: map[string]string{"amqp.uri": broker.URI, "token_cleanup_interval": "2",
		"max_user_concurrent_sessions": "100000"}})
	heard := &ear{s: s, queue: broker.Listen(t, "")}
	for _, part := range []struct {
		name string
		run  func(*testing.T, *stack, *ear)
	}{
		{"logins and their ends", loginsAreTold},
		{"users who change", usersAreTold},
		{"tenants", tenantsAreTold},
		{"expiry", expiryIsTold},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, s, heard) })
	}
	t.Run("a worker that is killed is followed by another within two seconds", func(t *testing.T) { aWorkerTakesOver(t, s, heard) })
	t.Run("nothing is lost or reordered when broker and worker are killed", func(t *testing.T) { nothingToldIsLost(t, s, broker) })
	t.Run("a login is as fast without the broker", func(t *testing.T) { loginsDoNotWait(t, s, broker) })
}

// ear hears all messages of a stack, one after the other.
type ear struct {
	s     *stack
	queue *amqptest.Queue
}

// hears compares the next messages, and that no others came, whose names are those of the log.
func (e *ear) hears(t *testing.T, want ...event) {
	t.Helper()
	for _, w := range want {
		m := e.queue.Next(t)
		require.Equal(t, w.name, m.Headers["name"])
		w.is(t, m)
	}
	e.silent(t)
}

const owedEvents = "SELECT count(*) FROM event_outbox"

// silent wants nothing more: neither here nor owed.
func (e *ear) silent(t *testing.T) {
	t.Helper()
	e.s.awaitCount(t, bearable, 0, owedEvents)
	select {
	case m := <-e.queue.Messages:
		require.Fail(t, "an event too many", "%v", m.Headers)
	default:
	}
}

func loginsAreTold(t *testing.T, s *stack, heard *ear) {
	api := s.apis[0]
	name, id := s.addUser(t, "user", "#")
	user, tenant := id.String(), s.tenant(t)
	heard.silent(t)
	online := s.login(t, api, name, nil)
	heard.hears(t, sessionCreated(tenant, user, online.Session, false))
	s.revoke(t, api, online.Token)
	heard.hears(t, sessionDeleted(tenant, user, online.Session))
	s.ask(t, api, request{method: http.MethodDelete, path: "/token/" + unknown})
	require.Equal(t, http.StatusUnauthorized, s.ask(t, api, request{method: http.MethodPost, path: "/token", user: name, password: s.wrong, body: fields{}}).status)
	heard.silent(t)

	offline := fields{"access_type": "offline", "client_id": "bür*o 1"}
	desk := s.login(t, api, name, offline)
	heard.hears(t, refreshToken("created", tenant, user, "bür*o 1", "bür__STAR__o 1", false), sessionCreated(tenant, user, desk.Session, false))
	again := s.login(t, api, name, offline)
	heard.hears(t, sessionCreated(tenant, user, again.Session, false))
	bought := s.ask(t, api, request{method: http.MethodPost, path: "/token", header: mobile,
		body: fields{"refresh_token": desk.RefreshToken, "client_id": "bür*o 1"}}).token(t)
	heard.hears(t, sessionCreated(tenant, user, bought.Session, true))

	one := s.ask(t, api, s.mobileLogin(name, "my.app*#1")).token(t)
	heard.hears(t, refreshToken("created", tenant, user, "my.app*#1", "my__DOT__app__STAR____HASH__1", true), sessionCreated(tenant, user, one.Session, true))
	same := s.ask(t, api, s.mobileLogin(name, "my.app*#1")).token(t)
	heard.hears(t, sessionDeleted(tenant, user, one.Session), refreshToken("deleted", tenant, user, "my.app*#1", "my__DOT__app__STAR____HASH__1", true),
		refreshToken("created", tenant, user, "my.app*#1", "my__DOT__app__STAR____HASH__1", true), sessionCreated(tenant, user, same.Session, true))
	other := s.ask(t, api, s.mobileLogin(name, "two")).token(t)
	heard.hears(t, refreshToken("created", tenant, user, "two", "two", true), sessionDeleted(tenant, user, same.Session),
		refreshToken("deleted", tenant, user, "my.app*#1", "my__DOT__app__STAR____HASH__1", true), sessionCreated(tenant, user, other.Session, true))

	long := strings.Repeat("x.", 500)
	tok := s.login(t, api, name, fields{"access_type": "offline", "client_id": long})
	made := heard.queue.Next(t)
	require.LessOrEqual(t, len(made.RoutingKey), 255)
	refreshToken("created", tenant, user, long, strings.TrimSuffix(strings.TrimPrefix(made.RoutingKey, "auth.users."+user+".tokens."), ".created"), false).is(t, made)
	heard.hears(t, sessionCreated(tenant, user, tok.Session, false))

	require.Equal(t, http.StatusNoContent, s.ask(t, api, request{method: http.MethodDelete, path: "/users/me/tokens/two", token: tok.Token}).status)
	heard.hears(t, refreshToken("deleted", tenant, user, "two", "two", true))
	require.Equal(t, http.StatusNoContent, s.ask(t, api, request{method: http.MethodDelete, path: "/sessions/" + desk.Session.String(), token: tok.Token}).status)
	heard.hears(t, sessionDeleted(tenant, user, desk.Session))
}

func usersAreTold(t *testing.T, s *stack, heard *ear) {
	api, tenant := s.apis[0], s.tenant(t)
	root := s.login(t, api, s.root, nil)
	heard.queue.Next(t)
	u := s.newUser(t, api, root.Token, nil)
	heard.silent(t)
	user := u.UUID.String()
	ends := func(what string, r request) {
		t.Helper()
		first, second := s.login(t, api, *u.Username, nil), s.login(t, api, *u.Username, nil)
		heard.hears(t, sessionCreated(tenant, user, first.Session, false), sessionCreated(tenant, user, second.Session, false))
		require.Less(t, s.ask(t, api, r).status, 300, what)
		x, y := heard.queue.Next(t), heard.queue.Next(t)
		if x.Headers["session_uuid"] != first.Session.String() {
			x, y = y, x
		}
		sessionDeleted(tenant, user, first.Session).is(t, x)
		sessionDeleted(tenant, user, second.Session).is(t, y)
		heard.silent(t)
	}
	ends("a new password", request{method: http.MethodPut, path: "/users/" + user + "/password", token: root.Token,
		body: fields{"old_password": s.password, "new_password": s.password}})
	ends("disabling", request{method: http.MethodPut, path: "/users/" + user, token: root.Token, body: fields{"username": *u.Username, "enabled": false}})
	require.Equal(t, http.StatusOK, s.ask(t, api, request{method: http.MethodPut, path: "/users/" + user, token: root.Token,
		body: fields{"username": *u.Username, "enabled": true}}).status)
	heard.silent(t)
	ends("deleting", request{method: http.MethodDelete, path: "/users/" + user, token: root.Token})
	s.revoke(t, api, root.Token)
	heard.queue.Next(t)
}

func tenantsAreTold(t *testing.T, s *stack, heard *ear) {
	api := s.apis[0]
	root := s.login(t, api, s.root, nil)
	heard.queue.Next(t)
	slug := "s" + random(4)
	var made struct{ UUID string }
	a := s.ask(t, api, request{method: http.MethodPost, path: "/tenants", token: root.Token,
		body: fields{"name": "Zoë 🦊", "slug": slug, "domain_names": []string{slug + ".example.com"}}})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	a.into(t, &made)
	heard.hears(t, tenantEvent("added", "created", made.UUID, fields{"name": "Zoë 🦊", "slug": slug, "domain_names": []any{slug + ".example.com"}}))
	for range 2 { // even if nothing changes
		a = s.ask(t, api, request{method: http.MethodPut, path: "/tenants/" + made.UUID, token: root.Token, body: fields{"name": "T2"}})
		require.Equal(t, http.StatusOK, a.status, "%s", a.body)
		heard.hears(t, tenantEvent("updated", "updated", made.UUID, fields{"name": "T2"}))
	}
	require.Equal(t, http.StatusNoContent, s.ask(t, api, request{method: http.MethodDelete, path: "/tenants/" + made.UUID, token: root.Token}).status)
	heard.hears(t, tenantEvent("deleted", "deleted", made.UUID, fields{}))
	s.revoke(t, api, root.Token)
	heard.queue.Next(t)
}

// expiryIsTold has a cleanup interval of two seconds.
func expiryIsTold(t *testing.T, s *stack, heard *ear) {
	name, id := s.addUser(t, "user")
	user, tenant := id.String(), s.tenant(t)
	short := s.login(t, s.apis[0], name, fields{"expiration": 1})
	heard.hears(t, sessionCreated(tenant, user, short.Session, false))
	sessionDeleted(tenant, user, short.Session).is(t, heard.queue.Next(t))
	longer := s.login(t, s.apis[0], name, fields{"expiration": 3})
	heard.hears(t, sessionCreated(tenant, user, longer.Session, false))
	expireSoon(tenant, user, longer.Session).is(t, heard.queue.Next(t))
	require.Equal(t, http.StatusNoContent, s.check(t, s.apis[0], longer.Token, noScope), "it is told before")
	sessionDeleted(tenant, user, longer.Session).is(t, heard.queue.Next(t))
	heard.silent(t)
}

// publisher is the worker whose turn it is: it said so last.
func (s *stack) publisher() (*process, error) {
	const turn = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database()"
	if n, err := s.number(turn); err != nil || n != 1 {
		return nil, errors.Join(err, fmt.Errorf("%d workers publish", n))
	}
	var found *process
	for _, p := range s.workers {
		text := p.log.String()
		if strings.Contains(text[strings.LastIndex(text, restartMark)+1:], "publishing events") {
			if found != nil {
				return nil, errors.New("two workers have published")
			}
			found = p
		}
	}
	if found == nil {
		return nil, errors.New("no worker publishes")
	}
	return found, nil
}

func aWorkerTakesOver(t *testing.T, s *stack, heard *ear) {
	var dead *process
	await(t, bearable, "a worker publishes", func() (err error) { dead, err = s.publisher(); return err })
	purse := s.purse(t, s.apis[0], s.root)
	require.Equal(t, []string{"auth_refresh_token_created", "auth_session_created"}, heard.queue.Names(t, 2))
	heard.silent(t)
	dead.kill()
	began := time.Now()
	tok := s.ask(t, s.apis[0], purse.request(3600)).token(t)
	m := heard.queue.Next(t)
	took := time.Since(began)
	require.Equal(t, tok.Session.String(), m.Headers["session_uuid"])
	require.Less(t, took, 2*time.Second)
	heard.silent(t)
	s.restart(t, dead)
}

// nothingToldIsLost makes a thousand changes while broker and workers are killed.
func nothingToldIsLost(t *testing.T, s *stack, broker *amqptest.Broker) {
	api := s.apis[0]
	broker.Keep(t, "everything")
	purse := s.purse(t, api, s.root)
	const clients, each = 4, 125 // a login and a logout each
	enough := make(chan struct{}, clients)
	failed := make([]error, clients)
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				a, err := s.expect(http.StatusOK, api, purse.request(3600))
				if err == nil {
					_, err = s.expect(http.StatusOK, api, request{method: http.MethodDelete, path: "/token/" + tokenOf(a)})
				}
				failed[c] = errors.Join(failed[c], err)
				if i == each/4 {
					enough <- struct{}{}
				}
			}
		})
	}
	for range clients {
		<-enough
	}
	broker.Kill()
	s.workers[0].kill()
	wg.Wait()
	require.NoError(t, errors.Join(failed...))
	require.Positive(t, s.count(t, owedEvents))
	require.NoError(t, s.probe(s.workers[1].internal+"/readyz"), "an outage of the broker makes nobody unfit")
	broker.Restart(t)
	await(t, bearable, "the backlog drains a little", func() error {
		n, err := s.number(owedEvents)
		if err == nil && n > 900 {
			err = fmt.Errorf("%d events are owed", n)
		}
		return err
	})
	s.workers[1].kill() // between publishing and removing, as likely as not
	s.restart(t, s.workers[0])
	s.restart(t, s.workers[1])
	s.awaitCount(t, bearable, 0, owedEvents)

	kept := broker.Read(t, "everything")
	bodies, stage := map[string][]byte{}, map[string]int{}
	left := 2 * clients * each
	for left > 0 {
		m := kept.Next(t)
		if body, again := bodies[m.MessageId]; again {
			require.True(t, bytes.Equal(body, m.Body), "one id with two bodies")
			continue
		}
		bodies[m.MessageId] = m.Body
		session, _ := m.Headers["session_uuid"].(string)
		switch m.Headers["name"] {
		case "auth_session_created":
			require.Zero(t, stage[session], "created first, and once")
		case "auth_session_deleted":
			require.Equal(t, 1, stage[session], "deleted after it was created, and once")
		default:
			continue
		}
		if stage[session]++; stage[session] == 2 {
			left -= 2
		}
	}
}

// loginsDoNotWait compares logins with the broker up and down, the better of three measurements each.
func loginsDoNotWait(t *testing.T, s *stack, broker *amqptest.Broker) {
	purse := s.purse(t, s.apis[0], s.root)
	measure := func() time.Duration {
		best := time.Hour
		for range 3 {
			began := time.Now()
			for range 50 {
				s.ask(t, s.apis[0], purse.request(3600)).token(t)
			}
			best = min(best, time.Since(began))
		}
		return best
	}
	up := measure()
	broker.Kill()
	down := measure()
	t.Logf("50 logins: %s with the broker, %s without: ratio %.2f", up, down, float64(down)/float64(up))
	require.Less(t, down, 3*up+time.Second, "on a machine that other tests keep busy")
}
