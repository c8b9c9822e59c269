package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

// cancelledInWebUI presses the button as the Web UI's page does: over its HTTP API, with the cookie against forged requests.
func cancelledInWebUI(t *testing.T, s *stack) {
	tok := s.login(t, s.apis[0], s.root, nil)
	s.awaitRunning(t, tok.Session)
	ui := os.Getenv(webUIVariable)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar, Timeout: bearable}
	page, err := browser.Get(ui + "/api/v1/settings")
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
	base, err := url.Parse(ui)
	require.NoError(t, err)
	forged := ""
	for _, c := range jar.Cookies(base) {
		if c.Name == "_csrf" {
			forged = c.Value
		}
	}
	require.NotEmpty(t, forged, "the cookie of the Web UI")

	address := ui + "/api/v1/namespaces/" + s.namespace + "/workflows/" + lifetimeID(tok.Session) + "/cancel"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(`{"reason": "cancelled from the Web UI"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Csrf-Token", forged)
	resp, err := browser.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)

	s.awaitCheck(t, s.apis[1], tok.Token, http.StatusNotFound)
	o, info := s.awaitOutcome(t, bearable, tok.Session)
	require.Equal(t, outcome{Outcome: "revoked", Reason: "cancelled in the Web UI"}, o)
	require.Equal(t, "revoked", attribute(t, info, "Outcome"))
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, info.GetStatus())
	require.Zero(t, s.count(t, dueOf, tok.Session), "the lifetime is owed nothing")
}
