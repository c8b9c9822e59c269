package external_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/db/dbtest/factory"
	"github.com/xivo-auth/xivo-auth/external"
	"github.com/xivo-auth/xivo-auth/external/externaltest"
	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/list"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/seal"
)

type log struct {
	sync.Mutex
	b strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.Lock()
	defer l.Unlock()
	return l.b.String()
}

// world is a service with a provider, and a user whose consents nobody waits for but the tests.
type world struct {
	*external.Service
	pool *pgxpool.Pool
	stub *externaltest.Stub
	log  *log
	top  uuid.UUID
	user uuid.UUID
	deps external.Deps
}

func newWorld(t *testing.T, change func(d *external.Deps)) *world {
	t.Helper()
	w := &world{pool: dbtest.Pool(t), stub: externaltest.New(t), log: &log{}}
	ring, err := seal.New([]seal.Key{{ID: "k1", Secret: [32]byte{1}}})
	require.NoError(t, err)
	w.deps = external.Deps{Pool: w.pool, Sealer: ring, Events: outbox.NewEvents(true), Wake: func() {}, Log: slog.New(slog.NewJSONHandler(w.log, nil)),
		Enabled: []string{"google", "mobile", "toy"}, ConsentTimeout: time.Minute, MaxConsents: 12, CallbackURL: w.stub.Websocket() + "/ws/{state}",
		Plugins: map[string]external.Plugin{"toy": toy{}},
		Providers: map[string]external.Provider{"google": {AuthorizationURL: "https://accounts.example.com/auth", RedirectURI: w.stub.URL + "/google/authorize",
			TokenURL: w.stub.URL + "/google/token", WebsocketHost: w.stub.Websocket()}}}
	if change != nil {
		change(&w.deps)
	}
	w.Service = external.New(w.deps)
	require.NoError(t, w.KnowEnabled(t.Context()))
	w.top = factory.TopTenant(t.Context(), t, w.pool)
	w.user = factory.User(t.Context(), t, w.pool, factory.UserOpts{Tenant: w.top, Username: "somebody"})
	config, err := json.Marshal(map[string]string{"client_id": externaltest.ClientID, "client_secret": externaltest.ClientSecret})
	require.NoError(t, err)
	require.NoError(t, w.CreateConfig(t.Context(), w.top, "google", config))
	return w
}

// toy stores what it gets, and fails for a message that says so.
type toy struct{}

func (toy) Info() map[string]any { return nil }

func (toy) Safe() []external.SafeField {
	return []external.SafeField{{Name: "name", Kind: "string"}, {Name: "n", Kind: "integer"}, {Name: "on", Kind: "boolean"}, {Name: "list", Kind: "strings"}}
}

func (toy) Prepare(_ context.Context, _, _ uuid.UUID, body json.RawMessage) (json.RawMessage, string, error) {
	return body, "state of a toy/with a slash", nil
}

func (toy) Authorized(_ context.Context, _, _ uuid.UUID, _, message json.RawMessage) (json.RawMessage, error) {
	if string(message) == `"fail"` {
		return nil, errors.New("as it was told to")
	}
	return message, nil
}

func (w *world) whose(typ string) external.Whose { return external.Whose{User: w.user, Type: typ} }

// begin makes a consent without waiting until somebody listens for it.
func (w *world) begin(t *testing.T) (id uuid.UUID, state string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := make(chan struct{})
	go func() { // as if the client had gone
		for ctx.Err() == nil {
			if w.pool.QueryRow(ctx, "SELECT uuid FROM external_consents WHERE status = 'due' AND due_at IS NOT NULL").Scan(&id) == nil {
				_, _ = w.pool.Exec(ctx, "UPDATE external_consents SET due_at = NULL WHERE uuid = $1", id)
				close(began)
				_, _ = w.pool.Exec(ctx, "UPDATE external_consents SET status = 'open' WHERE uuid = $1", id)
				return
			}
		}
	}()
	c, err := w.StartConsent(t.Context(), w.whose("google"), w.top, nil)
	require.NoError(t, err)
	<-began
	return id, c.State
}

// await runs the worker's side.
func (w *world) await(t *testing.T, s *external.Service, id uuid.UUID) (outcome <-chan string, stop context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan string, 1)
	go func() {
		out, err := s.Await(ctx, id)
		if err != nil {
			out = "error"
		}
		done <- out
	}()
	t.Cleanup(cancel)
	return done, cancel
}

func (w *world) listening(t *testing.T, state string) {
	t.Helper()
	require.Eventually(t, func() bool { return w.stub.Listening(state) }, 20*time.Second, 5*time.Millisecond)
}

func TestAConsentSurvivesWhateverBreaks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id, state := w.begin(t)
	_, stop := w.await(t, w.Service, id)
	w.listening(t, state)
	w.stub.Cut(state)
	w.listening(t, state)
	stop() // the worker dies
	require.Eventually(t, func() bool { return !w.stub.Listening(state) }, 20*time.Second, 5*time.Millisecond)
	out, _ := w.await(t, w.Service, id)
	w.listening(t, state)
	require.True(t, w.stub.Push(state, "nonsense"))
	require.True(t, w.stub.Push(state, "[1]"), "nor this")
	require.True(t, w.stub.Consent(state))
	require.Equal(t, "stored", <-out)
	again, err := w.Await(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "stored", again, "it is not done twice")
	require.Len(t, w.stub.Grants(), 1)
	data, err := w.Get(t.Context(), w.whose("google"))
	require.NoError(t, err)
	require.Contains(t, string(data), `"refresh_token":"refresh-`)
}

func TestAMessageThatArrivedIsNotLostWithItsWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	reached, release := make(chan struct{}), make(chan struct{})
	w.stub.Answer = func(http.ResponseWriter, url.Values) { close(reached); <-release }
	id, state := w.begin(t)
	out, stop := w.await(t, w.Service, id)
	w.listening(t, state)
	require.True(t, w.stub.Consent(state))
	<-reached
	stop()
	require.Equal(t, "error", <-out)
	close(release)
	w.stub.Lock()
	w.stub.Answer = nil
	w.stub.Unlock()
	outcome, err := w.Await(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "stored", outcome, "without another message")
}

func TestAConsentEnds(t *testing.T) {
	t.Parallel()
	t.Run("when its time is up", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(d *external.Deps) { d.ConsentTimeout = time.Second })
		id, _ := w.begin(t)
		outcome, err := w.Await(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "timed out", outcome)
	})
	t.Run("with its user", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		id, state := w.begin(t)
		out, _ := w.await(t, w.Service, id)
		w.listening(t, state)
		_, err := w.pool.Exec(t.Context(), "DELETE FROM users WHERE uuid = $1", w.user)
		require.NoError(t, err)
		require.True(t, w.stub.Consent(state))
		require.Equal(t, "gone", <-out)
	})
	t.Run("without the configuration", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		id, state := w.begin(t)
		out, _ := w.await(t, w.Service, id)
		w.listening(t, state)
		require.NoError(t, w.DeleteConfig(t.Context(), w.top, "google"))
		require.True(t, w.stub.Consent(state))
		require.Equal(t, "failed", <-out)
	})
	t.Run("where its keys are not known", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		id, _ := w.begin(t)
		other, err := seal.New([]seal.Key{{ID: "k2", Secret: [32]byte{2}}})
		require.NoError(t, err)
		d := w.deps
		d.Sealer = other
		outcome, err := external.New(d).Await(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "failed", outcome)
	})
	t.Run("where no message can be exchanged", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		id, state := w.begin(t)
		out, _ := w.await(t, w.Service, id)
		w.listening(t, state)
		w.stub.Lock()
		w.stub.Answer = func(rw http.ResponseWriter, f url.Values) {
			_, _ = rw.Write([]byte(`{"error": "` + f.Get("code") + `"}`))
		}
		w.stub.Unlock()
		require.True(t, w.stub.Consent(state))
		require.Equal(t, "failed", <-out)
		for _, secret := range w.stub.Secrets() {
			require.NotContains(t, w.log.String(), secret)
		}
	})
}

func TestConsentsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var first uuid.UUID
	for n := range 12 {
		id, _ := w.begin(t)
		if n == 0 {
			first = id
		}
	}
	var pending int
	require.NoError(t, w.pool.QueryRow(t.Context(), "SELECT count(*) FROM external_consents WHERE status <> 'over'").Scan(&pending))
	require.Equal(t, 10, pending, "of one user")
	outcome, err := w.Await(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, "replaced", outcome)
	_, err = w.pool.Exec(t.Context(), `INSERT INTO external_consents (uuid, user_uuid, tenant_uuid, type, expires_at)
		SELECT gen_random_uuid(), user_uuid, tenant_uuid, type, expires_at FROM external_consents LIMIT 3`)
	require.NoError(t, err)
	_, err = w.StartConsent(t.Context(), w.whose("google"), w.top, nil)
	require.ErrorIs(t, err, fault.Unavailable)

	_, err = w.pool.Exec(t.Context(), "UPDATE external_consents SET expires_at = now() - interval '2 days'")
	require.NoError(t, err)
	n, err := external.SweepConsents(t.Context(), w.pool, 4)
	require.NoError(t, err)
	require.Equal(t, 4, n)
}

func TestTheLogKeepsStatesToItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(d *external.Deps) {
		p := d.Providers["google"]
		p.WebsocketHost = "ws://127.0.0.1:1"
		d.Providers["google"] = p
		d.ConsentTimeout = time.Second
	})
	id, state := w.begin(t)
	outcome, err := w.Await(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "timed out", outcome)
	require.Contains(t, w.log.String(), "not open")
	require.NotContains(t, w.log.String(), state)
}

func TestPluginsOfTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	opened := make(chan struct{})
	go func() {
		defer close(opened)
		var id uuid.UUID
		for w.pool.QueryRow(t.Context(), "SELECT uuid FROM external_consents").Scan(&id) != nil {
			if t.Context().Err() != nil {
				return
			}
		}
		w.await(t, w.Service, id)
	}()
	stored, err := w.Prepare(t.Context(), w.whose("toy"), json.RawMessage(`{"name": "n", "n": 1.5, "on": true, "list": ["a", 1], "more": 1}`))
	require.NoError(t, err)
	require.NotEmpty(t, stored)
	<-opened
	items, total, filtered, err := w.List(t.Context(), w.whose(""), external.Filter{}, list.Page{})
	require.NoError(t, err)
	require.Equal(t, 3, total)
	require.Equal(t, 3, filtered)
	require.Equal(t, map[string]any{"name": "n", "on": true}, items[2].Data, "what fits the declaration")
	_, err = w.Prepare(t.Context(), w.whose("toy"), json.RawMessage(`{}`))
	require.ErrorIs(t, err, fault.Conflict)

	state := "state of a toy/with a slash"
	w.listening(t, state)
	require.True(t, w.stub.Push(state, `{"name": "new"}`))
	require.Eventually(t, func() bool {
		data, err := w.Get(t.Context(), w.whose("toy"))
		return err == nil && string(data) == `{"name": "new"}`
	}, 20*time.Second, 10*time.Millisecond)
	var names []string
	rows, err := w.pool.Query(t.Context(), "SELECT name FROM event_outbox ORDER BY id")
	require.NoError(t, err)
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, strings.TrimPrefix(name, "auth_user_external_auth_"))
	}
	require.Equal(t, []string{"added", "updated", "authorized"}, names)
}
