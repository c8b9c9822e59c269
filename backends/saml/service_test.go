package saml

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends"
	"github.com/xivo-auth/xivo-auth/fault"
)

func TestRedirectsCanBeRestricted(t *testing.T) {
	t.Parallel()
	s := New(Deps{Log: slog.New(slog.DiscardHandler), RedirectOrigins: []string{"https://app.example.com", "http://localhost:8080"}})
	for _, good := range []string{"https://app.example.com", "https://app.example.com/a?b#c", "http://localhost:8080/x"} {
		require.True(t, s.allowed(good), good)
	}
	for _, bad := range []string{"https://app.example.com.evil.org", "http://app.example.com", "https://app.example.com:444", "https://app.example.com@evil.org/", "https://u:p@app.example.com/",
		"//app.example.com", "/x", "javascript:alert(1)", "https:\\\\app.example.com", "%"} {
		_, _, err := s.Begin(t.Context(), "example.com", bad, "192.0.2.1")
		f, ok := fault.As(err)
		require.True(t, ok, bad)
		require.Equal(t, []any{fault.Invalid, "redirect_url"}, []any{f.Kind, f.Message}, bad)
	}
	require.True(t, New(Deps{}).allowed("javascript:alert(1)"), "nothing is restricted by default")
}

func TestSAMLClaimsWhatHasASessionID(t *testing.T) {
	t.Parallel()
	s := New(Deps{})
	for raw, want := range map[string]bool{"": false, "saml_session_id": true} {
		r := &backends.Request{Login: "a", Password: "b", Raw: map[string]any{"domain_name": "x"}}
		if raw != "" {
			r.Raw[raw] = ""
		}
		got, err := s.Claims(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestParametersAreAddedToAddresses(t *testing.T) {
	t.Parallel()
	require.Equal(t, "https://a/?x=1", extend("https://a/", "x=1"))
	require.Equal(t, "https://a/?b&x=1", extend("https://a/?b", "x=1"))
}
