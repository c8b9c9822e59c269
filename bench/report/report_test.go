package report_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/bench/report"
)

func TestFiguresAreMediansOfRounds(t *testing.T) {
	t.Parallel()
	r := report.New(io.Discard)
	r.Ratio("ratio", report.AtLeast(.5), []float64{40, 60, 100}, []float64{100, 100, 100}, "")
	r.Add("late", report.Below(10), []float64{10, 12}, "")
	r.One("size", report.Goal{}, 3, "")
	path := filepath.Join(t.TempDir(), "results", "latest.json")
	require.NoError(t, r.Write(path, map[string]any{"cores": 2}))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var got struct {
		Ratio, Late, Size float64
		Meta              struct {
			Cores   int
			Figures map[string]report.Figure
		}
	}
	require.NoError(t, json.Unmarshal(b, &got))
	require.InDelta(t, .6, got.Ratio, 1e-9)
	require.InDelta(t, 11, got.Late, 1e-9)
	require.InDelta(t, 3, got.Size, 1e-9)
	require.Equal(t, 2, got.Meta.Cores)
	require.Equal(t, "met", got.Meta.Figures["ratio"].Verdict)
	require.InDelta(t, .4, got.Meta.Figures["ratio"].Min, 1e-9)
	require.InDelta(t, 1, got.Meta.Figures["ratio"].Max, 1e-9)
	require.Equal(t, "missed", got.Meta.Figures["late"].Verdict)
	require.Empty(t, got.Meta.Figures["size"].Verdict)
	require.Equal(t, []string{"other"}, r.Missing([]string{"late", "other"}))

	var table strings.Builder
	require.NoError(t, r.Table(&table))
	require.Regexp(t, `ratio +>= 0.5 +0.6 +0.4 +1 +met`, table.String())
}
