package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"github.com/xivo-auth/xivo-auth/events/amqp/amqptest"
	"github.com/xivo-auth/xivo-auth/external/externaltest"
)

// linking is an installation whose users link accounts of a provider that the test plays.
type linking struct {
	*stack
	stub   *externaltest.Stub
	heard  *ear
	token  string // of the first user
	tenant string
}

func TestExternal(t *testing.T) {
	t.Parallel()
	broker, stub := amqptest.Start(t), externaltest.New(t)
	settings := map[string]string{"amqp.uri": broker.URI, "token_cleanup_interval": "0", "plugins_dir": plugins(t),
		"enabled_external_auth_plugins":          "google:true,microsoft:true,mobile:true,foo:true,bar:true,not_installed:true",
		"oauth2_synchronization_ws_url_template": stub.Websocket() + "/ws/{state}", "google.token_url": stub.URL + "/google/token",
		"google.redirect_uri": stub.URL + "/google/authorize", "google.websocket_host": stub.Websocket(),
		"microsoft.token_url": stub.URL + "/microsoft/token", "microsoft.websocket_host": "ws://" + freeAddress(t)}
	l := &linking{stub: stub, stack: newStack(t, options{apis: 1, workers: 2, settings: settings})}
	root := l.login(t, l.apis[0], l.root, nil)
	l.token, l.tenant = root.Token, fmt.Sprint(root.Metadata["tenant_uuid"])
	l.awaitCount(t, bearable, 0, owedEvents) // that of the login
	l.heard = &ear{s: l.stack, queue: broker.Listen(t, "")}
	for _, typ := range []string{"google", "microsoft"} {
		l.ok(t, http.StatusCreated, http.MethodPost, "/external/"+typ+"/config", fields{"client_id": externaltest.ClientID, "client_secret": externaltest.ClientSecret})
	}
	for _, part := range []struct {
		name string
		run  func(*testing.T, *linking)
	}{
		{"push tokens are stored and told", pushTokensAreTold},
		{"a consent is stored well below a second after it arrived", consentIsStored},
		{"a consent that is denied ends", consentIsDenied},
		{"what goes wrong at the provider leaves everything as it was", providerIsDown},
		{"a synchronisation service that is away costs a request three seconds", synchronisationIsAway},
		{"a consent whose worker is killed is waited for by another", consentOutlivesItsWorker},
		{"a consent waits for a worker", consentWaitsForAWorker},
		{"types that plug-ins declare", pluggedTypes},
		{"nothing secret is seen anywhere", externalSecrecy},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, l) })
	}
}

// ok wants a status of a request with the first user's token.
func (l *linking) ok(t *testing.T, status int, method, path string, body any) answer {
	t.Helper()
	a := l.ask(t, l.apis[0], request{method: method, path: path, token: l.token, body: body})
	require.Equal(t, status, a.status, "%s %s: %s", method, path, a.body)
	return a
}

func (l *linking) told(verb, inKey, user, typ string) event {
	return event{"auth_user_external_auth_" + verb, "auth.users." + user + ".external." + typ + "." + inKey, l.tenant, user, "",
		fields{"user_uuid": user, "external_auth_name": typ}}
}

func (l *linking) added(user, typ string) event   { return l.told("added", "created", user, typ) }
func (l *linking) updated(user, typ string) event { return l.told("updated", "updated", user, typ) }
func (l *linking) deleted(user, typ string) event { return l.told("deleted", "deleted", user, typ) }

// consenting begins a consent and gives its state and its workflow's id.
func (l *linking) consenting(t *testing.T, user uuid.UUID, typ string) (state, workflow string) {
	t.Helper()
	var started struct {
		URL   string `json:"authorization_url"`
		State string `json:"state"`
	}
	l.ok(t, http.StatusCreated, http.MethodPost, "/users/"+user.String()+"/external/"+typ, fields{}).into(t, &started)
	u, err := url.Parse(started.URL)
	require.NoError(t, err)
	require.Equal(t, started.State, u.Query().Get("state"))
	l.secret(started.State)
	var id uuid.UUID
	l.row(t, &id, "SELECT uuid FROM external_consents WHERE user_uuid = $1 ORDER BY created_at DESC LIMIT 1", user)
	return started.State, "external-consent-" + id.String()
}

// ends waits for the outcome of a wait for a consent.
func (l *linking) ends(t *testing.T, workflow, outcome string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bearable)
	defer cancel()
	var got struct {
		Outcome string `json:"outcome"`
	}
	require.NoError(t, l.temporal.GetWorkflow(ctx, workflow, "").Get(ctx, &got))
	require.Equal(t, outcome, got.Outcome)
	require.Zero(t, l.count(t, "SELECT count(*) FROM external_consents WHERE uuid = $1 AND (state IS NOT NULL OR message IS NOT NULL OR outcome <> $2)",
		strings.TrimPrefix(workflow, "external-consent-"), outcome))
}

// browses is the person's browser, sent to the synchronisation service by the provider.
func (l *linking) browses(t *testing.T, typ, state string) {
	t.Helper()
	status, err := l.status(l.stub.URL + "/" + typ + "/authorize?state=" + state)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, status, "somebody listens for the state")
}

func (l *linking) listening(t *testing.T, state string) {
	t.Helper()
	await(t, bearable, "somebody listens for the state", func() error {
		if l.stub.Listening(state) {
			return nil
		}
		return errors.New("nobody")
	})
}

func pushTokensAreTold(t *testing.T, l *linking) {
	_, id := l.addUser(t, "user")
	user, path := id.String(), "/users/"+id.String()+"/external/mobile"
	push := "push-" + random(12)
	l.secret(push)
	l.ok(t, http.StatusCreated, http.MethodPost, path, fields{"token": push})
	l.heard.hears(t, l.added(user, "mobile"))
	l.ok(t, http.StatusConflict, http.MethodPost, path, fields{})
	l.ok(t, http.StatusOK, http.MethodPut, path, fields{"token": push, "apns_token": nil})
	l.heard.hears(t, l.updated(user, "mobile"))
	require.Contains(t, string(l.ok(t, http.StatusOK, http.MethodGet, path, nil).body), push)
	require.NotContains(t, string(l.ok(t, http.StatusOK, http.MethodGet, "/users/"+user+"/external", nil).body), push)
	l.ok(t, http.StatusNoContent, http.MethodDelete, path, nil)
	l.heard.hears(t, l.deleted(user, "mobile"))
	l.ok(t, http.StatusNotFound, http.MethodDelete, path, nil)
	l.ok(t, http.StatusOK, http.MethodPut, path, fields{})
	l.heard.hears(t, l.added(user, "mobile"))
	require.Equal(t, 4, l.count(t, "SELECT count(*) FROM trail WHERE action LIKE 'external_auth %' AND subject_uuid = $1", id))
}

func consentIsStored(t *testing.T, l *linking) {
	_, id := l.addUser(t, "user")
	user, path := id.String(), "/users/"+id.String()+"/external/google"
	l.ok(t, http.StatusNotFound, http.MethodGet, path, nil)
	began := time.Now()
	state, workflow := l.consenting(t, id, "google")
	t.Logf("from POST to open: %s", time.Since(began))
	require.True(t, l.stub.Listening(state), "before the answer")
	l.ok(t, http.StatusNotFound, http.MethodGet, path, nil)
	l.heard.silent(t)

	l.stub.Cut(state) // what breaks is opened again
	l.listening(t, state)
	began = time.Now()
	l.browses(t, "google", state)
	l.awaitCount(t, bearable, 1, "SELECT count(*) FROM external_accounts WHERE user_uuid = $1", id)
	t.Logf("from the consent to stored: %s", time.Since(began))
	l.heard.hears(t, l.added(user, "google"))
	l.ends(t, workflow, "stored")

	// Its lifetime is a few seconds, so this renews it.
	var got struct {
		Scope      []string `json:"scope"`
		Token      string   `json:"access_token"`
		Expiration int64    `json:"token_expiration"`
	}
	l.ok(t, http.StatusOK, http.MethodGet, path, nil).into(t, &got)
	require.Equal(t, []string{"one", "two"}, got.Scope)
	require.Contains(t, l.stub.Secrets(), got.Token)
	require.InDelta(t, time.Now().Unix(), got.Expiration, 60)
	l.heard.hears(t, l.updated(user, "google"))
	state, workflow = l.consenting(t, id, "google")
	l.browses(t, "google", state)
	l.ends(t, workflow, "stored")
	l.heard.hears(t, l.updated(user, "google"))
	l.ok(t, http.StatusNoContent, http.MethodDelete, path, nil)
	l.heard.hears(t, l.deleted(user, "google"))
}

func consentIsDenied(t *testing.T, l *linking) {
	_, id := l.addUser(t, "user")
	state, workflow := l.consenting(t, id, "google")
	require.True(t, l.stub.Push(state, `{"error": "access_denied"}`))
	l.ends(t, workflow, "denied")
	l.ok(t, http.StatusNotFound, http.MethodGet, "/users/"+id.String()+"/external/google", nil)
	l.heard.silent(t)
}

func providerIsDown(t *testing.T, l *linking) {
	_, id := l.addUser(t, "user")
	path := "/users/" + id.String() + "/external/google"
	state, workflow := l.consenting(t, id, "google")
	l.browses(t, "google", state)
	l.ends(t, workflow, "stored")
	l.heard.hears(t, l.added(id.String(), "google"))
	var before []byte
	l.row(t, &before, "SELECT sealed FROM external_accounts WHERE user_uuid = $1", id)
	for name, reply := range map[string]func(w http.ResponseWriter, f url.Values){
		"it fails":   func(w http.ResponseWriter, _ url.Values) { w.WriteHeader(http.StatusBadGateway) },
		"it refuses": func(w http.ResponseWriter, _ url.Values) { _, _ = io.WriteString(w, `{"error": "invalid_grant"}`) },
		"it hangs":   func(http.ResponseWriter, url.Values) { <-time.After(6 * time.Second) }, // longer than anybody waits
	} {
		l.answers(reply)
		began := time.Now()
		require.JSONEq(t, `{"message": "Internal Server Error"}`, string(l.ok(t, http.StatusInternalServerError, http.MethodGet, path, nil).body), name)
		require.Less(t, time.Since(began), 20*time.Second, name)
		if name != "it hangs" {
			state, workflow = l.consenting(t, id, "google")
			l.browses(t, "google", state)
			l.ends(t, workflow, "failed")
		}
	}
	l.answers(nil)
	var after []byte
	l.row(t, &after, "SELECT sealed FROM external_accounts WHERE user_uuid = $1", id)
	require.Equal(t, before, after)
	l.heard.silent(t)
	l.ok(t, http.StatusOK, http.MethodGet, path, nil)
	l.heard.hears(t, l.updated(id.String(), "google"))
}

func (l *linking) answers(reply func(w http.ResponseWriter, f url.Values)) {
	l.stub.Lock()
	defer l.stub.Unlock()
	l.stub.Answer = reply
}

func synchronisationIsAway(t *testing.T, l *linking) {
	_, id := l.addUser(t, "user")
	began := time.Now()
	_, workflow := l.consenting(t, id, "microsoft")
	require.Less(t, time.Since(began), 15*time.Second)
	require.GreaterOrEqual(t, time.Since(began), 3*time.Second)
	require.NoError(t, l.temporal.CancelWorkflow(t.Context(), workflow, ""))
	l.ends(t, workflow, "cancelled")
	l.heard.silent(t)
}

func consentOutlivesItsWorker(t *testing.T, l *linking) {
	_, id := l.addUser(t, "user")
	state, workflow := l.consenting(t, id, "google")
	consent := strings.TrimPrefix(workflow, "external-consent-")
	for _, p := range l.workers {
		if listensFor(p, consent) {
			p.kill()
			defer l.restart(t, p)
		}
	}
	await(t, bearable, "the websocket of the killed worker is closed", func() error {
		if l.stub.Listening(state) {
			return errors.New("it is open")
		}
		return nil
	})
	l.listening(t, state)
	l.browses(t, "google", state)
	l.ends(t, workflow, "stored")
	l.heard.hears(t, l.added(id.String(), "google"))
}

// listensFor tells whether a worker is the one that holds the websocket of a consent; any of them may have run the workflow.
func listensFor(p *process, consent string) bool {
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, "waiting for a consent") && strings.Contains(line, consent) {
			return true
		}
	}
	return false
}

func consentWaitsForAWorker(t *testing.T, l *linking) {
	for _, p := range l.workers {
		p.kill()
	}
	_, id := l.addUser(t, "user")
	began := time.Now()
	state, workflow := l.consenting(t, id, "google")
	require.GreaterOrEqual(t, time.Since(began), 3*time.Second)
	require.False(t, l.stub.Listening(state))
	for _, p := range l.workers {
		l.restart(t, p)
	}
	l.listening(t, state)
	l.browses(t, "google", state)
	l.ends(t, workflow, "stored")
	l.heard.hears(t, l.added(id.String(), "google"))
}

// plugged asks for a path of a plug-in, which api.yml does not describe.
func (l *linking) plugged(t *testing.T, status int, method string, user uuid.UUID, typ string, body any) fields {
	t.Helper()
	text, err := json.Marshal(body)
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, l.apis[0].url+"/0.1/users/"+user.String()+"/external/"+typ, bytes.NewReader(text))
	require.NoError(t, err)
	req.Header.Set("X-Auth-Token", l.token)
	resp, err := l.http.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, status, resp.StatusCode, "%s %s: %s", method, typ, text)
	var got fields
	_ = json.Unmarshal(text, &got)
	return got
}

func pluggedTypes(t *testing.T, l *linking) {
	_, id := l.addUser(t, "user")
	user := id.String()
	secret := "kept-" + random(12)
	l.secret(secret)
	body := fields{"secret": secret, "scope": []any{"one"}}
	l.plugged(t, http.StatusNotFound, http.MethodPut, id, "bar", body)
	l.plugged(t, http.StatusNotFound, http.MethodPost, uuid.New(), "bar", body)
	l.plugged(t, http.StatusNotFound, http.MethodPut, uuid.New(), "foo", body)
	l.plugged(t, http.StatusNotFound, http.MethodDelete, uuid.New(), "foo", nil)
	l.plugged(t, http.StatusNotFound, http.MethodPost, id, "not_installed", body)
	require.Equal(t, body, l.plugged(t, http.StatusOK, http.MethodPost, id, "bar", body))
	l.heard.hears(t, l.added(user, "bar"))
	l.plugged(t, http.StatusConflict, http.MethodPost, id, "bar", body)
	require.Equal(t, body, l.plugged(t, http.StatusOK, http.MethodGet, id, "bar", nil))

	stored := l.plugged(t, http.StatusOK, http.MethodPost, id, "foo", body)
	state, ok := stored["state"].(string)
	require.True(t, ok)
	l.secret(state)
	require.Regexp(t, "^[A-Z0-9]{16}$", state)
	require.True(t, l.stub.Listening(state))
	l.heard.hears(t, l.added(user, "foo"))
	var list struct {
		Total, Filtered int
		Items           []fields
	}
	l.ok(t, http.StatusOK, http.MethodGet, "/users/"+user+"/external", nil).into(t, &list)
	require.Equal(t, 6, list.Total)
	require.Equal(t, []fields{
		{"type": "bar", "enabled": true, "data": fields{"scope": []any{"one"}}, "plugin_info": fields{"foo": "bar"}},
		{"type": "foo", "enabled": true, "data": fields{}, "plugin_info": fields{}},
		{"type": "google", "enabled": false, "data": fields{}, "plugin_info": fields{}}}, list.Items[:3])
	l.ok(t, http.StatusOK, http.MethodGet, "/users/"+user+"/external?type=bar", nil).into(t, &list)
	require.Equal(t, 1, list.Filtered)
	require.Contains(t, string(l.ok(t, http.StatusOK, http.MethodGet, "/external/foo/users", nil).body), user)
	l.ok(t, http.StatusNotFound, http.MethodGet, "/external/unknown/users", nil)

	access := l.stub.Secret("plugged")
	require.True(t, l.stub.Push(state, `{"access_token": "`+access+`"}`))
	l.heard.hears(t, l.updated(user, "foo"), l.told("authorized", "authorized", user, "foo"))
	require.Equal(t, access, l.plugged(t, http.StatusOK, http.MethodGet, id, "foo", nil)["access_token"])

	changed := fields{"secret": secret, "scope": "no list"}
	require.Equal(t, changed, l.plugged(t, http.StatusOK, http.MethodPut, id, "bar", changed))
	l.heard.hears(t, l.updated(user, "bar"))
	require.NotContains(t, string(l.ok(t, http.StatusOK, http.MethodGet, "/users/"+user+"/external", nil).body), "no list")
	l.plugged(t, http.StatusNoContent, http.MethodDelete, id, "bar", nil)
	l.heard.hears(t, l.deleted(user, "bar"))
	l.plugged(t, http.StatusNotFound, http.MethodGet, id, "bar", nil)

	// A callback that fails tells nobody.
	l.plugged(t, http.StatusNoContent, http.MethodDelete, id, "foo", nil)
	l.heard.hears(t, l.deleted(user, "foo"))
	state, ok = l.plugged(t, http.StatusOK, http.MethodPost, id, "foo", fields{})["state"].(string)
	require.True(t, ok)
	l.secret(state)
	l.heard.hears(t, l.added(user, "foo"))
	require.True(t, l.stub.Push(state, `{"no": "token"}`))
	l.awaitCount(t, bearable, 1, "SELECT count(*) FROM external_consents WHERE user_uuid = $1 AND outcome = 'failed'", id)
	l.heard.silent(t)
}

func externalSecrecy(t *testing.T, l *linking) {
	l.secret(l.stub.Secrets()...)
	f := l.finder()
	require.Greater(t, len(f.texts), 20, "secrets to look for")
	for _, p := range append(l.apis[:1:1], l.workers...) {
		require.Empty(t, f.find([]byte(p.log.String())), "in the log of %s", p.name)
	}
	l.searchDatabase(t, f)
	waits := l.all(t, "WorkflowType = 'ExternalConsent'")
	require.Greater(t, len(waits), 5)
	for _, w := range waits {
		raw, err := proto.Marshal(w)
		require.NoError(t, err)
		require.Empty(t, f.find(raw), "in the list")
		x := w.GetExecution()
		h := l.temporal.GetWorkflowHistory(t.Context(), x.GetWorkflowId(), x.GetRunId(), false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for h.HasNext() {
			event, err := h.Next()
			require.NoError(t, err)
			raw, err := proto.Marshal(event)
			require.NoError(t, err)
			require.Empty(t, f.find(raw), "in %s of %s", event.GetEventType(), x.GetWorkflowId())
		}
	}
}
