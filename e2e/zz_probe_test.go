package e2e

import (
	"fmt"
	"net/http"
	"testing"
)

func TestZZProbe(t *testing.T) {
	s := newStack(t, options{})
	p := s.plugged(t, fmt.Sprintf(unrulyConfig, false))
	alice := s.ask(t, p, unrulyLogin("alice")).token(t)
	_ = alice
	root := s.login(t, p, s.root, nil)
	show := func(name string, r request) {
		a := s.ask(t, p, r)
		t.Logf("%s: %d %s", name, a.status, a.body)
	}
	off := unrulyLogin("alice")
	off.body = fields{"backend": "unruly", "access_type": "offline", "client_id": "x"}
	show("offline", off)
	show("check tenant", request{method: "GET", path: "/token/" + alice.Token + "?tenant=" + fmt.Sprint(root.Metadata["tenant_uuid"])})
	show("check tenant unknown", request{method: "GET", path: "/token/" + alice.Token + "?tenant=" + unknown})
	show("sessions", request{method: "GET", path: "/sessions", token: root.Token})
	show("me tokens, no access", request{method: "GET", path: "/users/me/tokens", token: alice.Token})
	if _, err := s.db.Exec(t.Context(), "UPDATE tokens SET access_list = (SELECT access_list FROM tokens WHERE auth_id <> $1 LIMIT 1) WHERE auth_id = $1", alice.AuthID); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/users/me/tokens", "/users/me/sessions", "/sessions"} {
		show(path, request{method: "GET", path: path, token: alice.Token})
	}
	show("del", request{method: "DELETE", path: "/users/me/tokens/x", token: alice.Token})
	for _, l := range []string{"fail", "panic", "refuse", "api_error", "many", "huge", "default", "die"} {
		show(l, unrulyLogin(l))
	}
	show("scopes", request{method: "POST", path: "/token/" + alice.Token + "/scopes/check", body: fields{"scopes": []string{"a.b"}, "tenant_uuid": root.Metadata["tenant_uuid"]}})
	_ = http.MethodGet
}
