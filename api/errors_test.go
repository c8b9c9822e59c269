package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/token"
)

func TestEveryKindOfFaultHasAStatus(t *testing.T) {
	t.Parallel()
	at := time.Unix(1795525742, 541743000)
	for _, k := range fault.Kinds() {
		status, body, _ := render(fmt.Errorf("wrapped: %w", fault.Historic(k, "text")), at)
		require.Equal(t, k == fault.Failed, status == http.StatusInternalServerError, k)
		require.Equal(t, gin.H{"reason": []string{"text"}, "timestamp": []float64{1795525742.541743}, "status_code": status}, body)
		_, body, _ = render(fault.Modern(k, "an-id", "", "text", nil), at)
		require.Equal(t, gin.H{"message": "text", "error_id": "an-id", "details": map[string]any{}, "timestamp": 1795525742.541743}, body)
	}
	require.Len(t, statuses, len(fault.Kinds()))
}

func TestAccidentsTellClientsNothing(t *testing.T) {
	t.Parallel()
	status, body, _ := render(errors.New("password=hunter2"), time.Now())
	require.Equal(t, http.StatusInternalServerError, status)
	require.Equal(t, gin.H{"message": "Internal Server Error"}, body)
	_, body, _ = render(fault.AuthenticationFailed().Because(errors.New("no such user")), time.Now())
	require.NotContains(t, fmt.Sprint(body), "no such user")
}

func FuzzTokenRequest(f *testing.F) {
	for _, s := range []string{`{}`, `null`, `[`, `{"expiration": 5.9}`, `{"expiration": 1e999}`, `{"expiration": "+7"}`, `{"client_id": "a\u0000"}`,
		`{"access_type": "offline", "client_id": "c"}`, `{"refresh_token": "", "client_id": "c"}`, "{\"a\": \"\xff\"}", `{"expiration": -0}`} {
		f.Add(s, "", "1.2.3.4")
	}
	gin.SetMode(gin.ReleaseMode)
	s := &server{Deps: Deps{MaxBody: 1 << 20, NumProxies: 1}}
	f.Fuzz(func(t *testing.T, body, agent, forwarded string) {
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest(http.MethodPost, "/0.1/token", strings.NewReader(body))
		c.Request.Header["User-Agent"], c.Request.Header["X-Forwarded-For"] = []string{agent}, []string{forwarded}
		r, err := s.tokenRequest(c)
		if err != nil {
			if status, _, _ := render(err, time.Now()); status != http.StatusBadRequest {
				t.Fatalf("status %d for a bad request", status)
			}
			return
		}
		if r.Lifetime != 0 && (r.Lifetime < token.MinLifetime || r.Lifetime > token.MaxLifetime) {
			t.Fatalf("lifetime %s", r.Lifetime)
		}
		if r.Offline && r.ClientID == "" || strings.ContainsRune(r.UserAgent+r.RemoteAddr+r.ClientID, 0) {
			t.Fatal("a request that must not pass")
		}
	})
}
