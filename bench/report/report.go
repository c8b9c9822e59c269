// Package report keeps what was measured and shows it: a table for people, JSON for programs.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Goal is what is wanted of a figure: at least, or at most, Bound. The zero Goal wants nothing.
type Goal struct {
	Sign  string // ">=", "<=", "<" or empty
	Bound float64
}

// AtLeast is >= x.
func AtLeast(x float64) Goal { return Goal{">=", x} }

// AtMost is <= x.
func AtMost(x float64) Goal { return Goal{"<=", x} }

// Below is < x.
func Below(x float64) Goal { return Goal{"<", x} }

func (g Goal) String() string {
	if g.Sign == "" {
		return ""
	}
	return g.Sign + " " + number(g.Bound)
}

func (g Goal) verdict(x float64) string {
	met := false
	switch g.Sign {
	case "":
		return ""
	case ">=":
		met = x >= g.Bound
	case "<=":
		met = x <= g.Bound
	case "<":
		met = x < g.Bound
	}
	if met {
		return "met"
	}
	return "missed"
}

// Figure is one key of the results: its value is the median of the rounds.
type Figure struct {
	Key     string    `json:"-"`
	Wanted  string    `json:"wanted,omitempty"`
	Median  float64   `json:"median"`
	Min     float64   `json:"min"`
	Max     float64   `json:"max"`
	Rounds  []float64 `json:"rounds,omitempty"`
	Verdict string    `json:"verdict,omitempty"`
	Note    string    `json:"note,omitempty"`
}

// Report gathers figures.
type Report struct {
	figures []Figure
	out     io.Writer
}

// New makes a report that tells each figure on w as it comes.
func New(w io.Writer) *Report { return &Report{out: w} }

// Add records the rounds of a figure.
func (r *Report) Add(key string, goal Goal, rounds []float64, note string) {
	if len(rounds) == 0 {
		return
	}
	f := Figure{Key: key, Wanted: goal.String(), Median: median(rounds), Min: slices.Min(rounds), Max: slices.Max(rounds), Rounds: rounds, Note: note}
	f.Verdict = goal.verdict(f.Median)
	r.figures = append(r.figures, f)
	_, _ = fmt.Fprintf(r.out, "  %s = %s %s\n", key, number(f.Median), f.Verdict)
}

// One records a figure that was measured once.
func (r *Report) One(key string, goal Goal, x float64, note string) {
	r.Add(key, goal, []float64{x}, note)
}

// Spread records a figure whose rounds are too many to keep: a value for each of many things.
func (r *Report) Spread(key string, goal Goal, values []float64, note string) {
	r.Add(key, goal, values, note)
	if n := len(r.figures); n > 0 && len(values) > 0 {
		r.figures[n-1].Rounds = nil
	}
}

// Ratio records one series over another, round by round.
func (r *Report) Ratio(key string, goal Goal, over, under []float64, note string) {
	rounds := make([]float64, min(len(over), len(under)))
	for i := range rounds {
		rounds[i] = over[i] / under[i]
	}
	r.Add(key, goal, rounds, note)
}

func median(x []float64) float64 {
	s := slices.Sorted(slices.Values(x))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// number is short: four digits that count.
func number(x float64) string {
	if x >= 1000 || x <= -1000 || x == float64(int64(x)) {
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

// Missing are those of the keys that have no figure.
func (r *Report) Missing(keys []string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(k string) bool {
		return slices.ContainsFunc(r.figures, func(f Figure) bool { return f.Key == k })
	})
}

// Table writes all figures for people.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows := [][]string{{"key", "wanted", "median", "min", "max", "verdict", "note"}}
	for _, f := range r.figures {
		rows = append(rows, []string{f.Key, f.Wanted, number(f.Median), number(f.Min), number(f.Max), f.Verdict, f.Note})
	}
	for _, row := range rows {
		if _, err := fmt.Fprintln(t, strings.Join(row, "\t")); err != nil {
			return fmt.Errorf("report: %w", err)
		}
	}
	return t.Flush()
}

// Write writes the medians by key, and all the rest below "meta", to a file.
func (r *Report) Write(path string, meta map[string]any) error {
	all, rounds := map[string]any{}, map[string]Figure{}
	for _, f := range r.figures {
		all[f.Key], rounds[f.Key] = f.Median, f
	}
	meta["figures"] = rounds
	all["meta"] = meta
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // figures are for everybody
		return fmt.Errorf("report: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil { //nolint:gosec // figures are for everybody
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
