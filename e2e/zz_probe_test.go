package e2e

import (
	"fmt"
	"strings"
	"testing"
)

func TestZZProbe(t *testing.T) {
	s := newStack(t, options{})
	p := s.plugged(t, fmt.Sprintf(unrulyConfig, false))
	alice := s.ask(t, p, unrulyLogin("alice")).token(t)
	root := s.login(t, p, s.root, nil)
	f := func(name string) {
		for line := range strings.Lines(p.log.String()) {
			if how := s.finder().find([]byte(line)); how != "" {
				t.Logf("%s: %s: %s", name, how, line)
			}
		}
	}
	show := func(name string, r request) {
		a := s.ask(t, p, r)
		_ = a
		f(name)
	}
	f("start")
	off := unrulyLogin("alice")
	off.body = fields{"backend": "unruly", "access_type": "offline", "client_id": "x"}
	show("offline", off)
	show("check tenant unknown", request{method: "GET", path: "/token/" + alice.Token + "?tenant=" + unknown})
	show("sessions", request{method: "GET", path: "/sessions", token: root.Token})
	show("me tokens, no access", request{method: "GET", path: "/users/me/tokens", token: alice.Token})
	show("scopes", request{method: "POST", path: "/token/" + alice.Token + "/scopes/check", body: fields{"scopes": []string{"a.b"}, "tenant_uuid": root.Metadata["tenant_uuid"]}})
}
