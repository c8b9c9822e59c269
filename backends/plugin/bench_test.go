package plugin_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends/plugin"
)

// BenchmarkCall measures what the boundary costs: the plug-in itself does next to nothing.
func BenchmarkCall(b *testing.B) {
	dir := b.TempDir()
	link(b, dir, "backend/unruly", "unruly")
	h, err := plugin.Load(b.Context(), plugin.Options{Dir: dir, Backends: []string{"unruly"}})
	require.NoError(b, err)
	defer func() { require.NoError(b, h.Close(b.Context())) }()
	source, r := h.Backends()[0], ask("alice", "s3cret!")
	var took []time.Duration
	for b.Loop() {
		started := time.Now()
		if ok, err := source.VerifyPassword(b.Context(), "alice", "s3cret!", r); !ok || err != nil {
			b.Fatal(ok, err)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	for name, p := range map[string]int{"p50-us": 50, "p99-us": 99} {
		b.ReportMetric(float64(took[len(took)*p/100].Microseconds()), name)
	}
}
