package load

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantilesAreExactToTwoPercent(t *testing.T) {
	t.Parallel()
	var h Histogram
	for i := range 1000 {
		h.Observe(time.Duration(i+1) * time.Millisecond)
	}
	require.Equal(t, 1000, h.Count())
	for q, want := range map[float64]time.Duration{.5: 501 * time.Millisecond, .99: 991 * time.Millisecond, 1: time.Second} {
		require.InEpsilon(t, want, h.Quantile(q), .02, "%v", q)
	}
}

func TestEveryDurationIsWithinItsBucket(t *testing.T) {
	t.Parallel()
	for d := time.Duration(1); d < 20*time.Hour; d = d*17/16 + 1 {
		b := bucket(d)
		require.LessOrEqual(t, d, upper(b))
		require.Less(t, upper(b-1), d)
	}
}

func TestAnEmptyHistogramHasNoQuantiles(t *testing.T) {
	t.Parallel()
	var h Histogram
	require.Zero(t, h.Quantile(.99))
}

func server(t *testing.T, status int) Target {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	address := strings.TrimPrefix(s.URL, "http://")
	return Target{Address: address, Want: http.StatusNoContent, Requests: [][]byte{[]byte("HEAD / HTTP/1.1\r\nHost: " + address + "\r\n\r\n")}}
}

func TestLoadCountsAnswers(t *testing.T) {
	t.Parallel()
	target := server(t, http.StatusNoContent)
	o, err := Closed(t.Context(), target, 4, 50*time.Millisecond)
	require.NoError(t, err)
	require.Positive(t, o.Count())
	require.Positive(t, o.Rate)
	o, err = Open(t.Context(), target, 4, 1000, 50*time.Millisecond)
	require.NoError(t, err)
	require.InDelta(t, 50, o.Count(), 2)
}

func TestAnotherStatusFailsTheMeasurement(t *testing.T) {
	t.Parallel()
	_, err := Closed(t.Context(), server(t, http.StatusNotFound), 2, time.Second)
	require.ErrorContains(t, err, "404")
	_, err = Open(t.Context(), server(t, http.StatusNotFound), 2, 100, 50*time.Millisecond)
	require.ErrorContains(t, err, "404")
}
