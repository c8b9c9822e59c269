package plugin

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLinesAreJoinedCutAndMadePrintable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	l := &lines{log: slog.New(slog.NewTextHandler(&out, nil))}
	for _, part := range []string{"on", "e\ntwo\n\n", "\x1b[31mred\xff\n", strings.Repeat("x", 3000), "y\n", "no end"} {
		n, err := l.Write([]byte(part))
		require.NoError(t, err)
		require.Len(t, part, n)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "line=")
		got = append(got, text)
	}
	require.Equal(t, []string{"one", "two", `" [31mred?"`, strings.Repeat("x", maxLine) + "..."}, got)
}

func TestErrorTextIsBoundedAndWithoutSecrets(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no *** here", said("no s3cret\nhere\n", "", "s3cret"))
	require.Len(t, said(strings.Repeat("x", 1000)), maxSaid+3)
	require.Equal(t, "a b", said("a\nb"))
}

func TestBreakerOpensAfterMissesInARowAndTriesOneCall(t *testing.T) {
	t.Parallel()
	var b breaker
	now := time.Now()
	miss := func(n int) {
		for range n {
			b.missed(now)
		}
	}
	miss(breakAfter - 1)
	b.reset()
	miss(breakAfter - 1)
	require.True(t, b.enter(now, time.Second), "not in a row")
	miss(1)
	require.True(t, b.open(now))
	require.False(t, b.enter(now, time.Second))
	now = now.Add(minPause)
	require.True(t, b.enter(now, time.Second), "one tries")
	require.False(t, b.enter(now, time.Second), "the others wait for it")
	now = now.Add(time.Second)
	miss(100)
	now = now.Add(minPause)
	require.False(t, b.enter(now, time.Second), "twice the pause, however many missed at once")
	now = now.Add(minPause)
	for range 10 {
		require.True(t, b.enter(now, time.Second), "pauses are bounded")
		now = now.Add(time.Second)
		miss(1)
		now = now.Add(maxPause)
	}
	b.reset()
	require.True(t, b.enter(now, time.Second))
	require.True(t, b.enter(now, time.Second))
}

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	t.Parallel()
	p := &plugin{h: &Host{o: Options{MinBackoff: time.Second, MaxBackoff: 10 * time.Second}}}
	for n, want := range map[int]time.Duration{0: time.Second, 2: 4 * time.Second, 4: 10 * time.Second, 1000: 10 * time.Second} {
		got := p.backoff(n)
		require.LessOrEqual(t, got, want)
		require.GreaterOrEqual(t, got, want*8/10)
	}
}
