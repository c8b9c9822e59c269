package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"
)

// row is a thing as its JSON members. Numbers are json.Number.
type row = map[string]any

// printers write the columns of rows.
var printers = map[string]func(w io.Writer, columns []string, rows []row) error{
	"table": printTable, "csv": printCSV, "json": printRows, "value": printValues, "yaml": printYAML,
}

var formats = []string{"table", "csv", "json", "value", "yaml"}

// listing is how somebody wants a list of T printed. Its columns are names of JSON members.
type listing[T any] struct {
	format       string
	chosen, sort []string
	columns      []string // what table, csv, value show if nothing is chosen
}

func (l *listing[T]) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVarP(&l.format, "format", "f", "table", "how the list is printed: "+strings.Join(formats, ", "))
	f.StringSliceVarP(&l.chosen, "column", "c", nil, "print this column only; may be repeated")
	f.StringSliceVar(&l.sort, "sort-column", nil, "sort what is printed by this column; may be repeated")
	for flag, words := range map[string][]string{"format": formats, "column": members[T](), "sort-column": members[T]()} {
		complete(c, flag, words...)
	}
}

// complete has the shell offer the words that a flag takes.
func complete(c *cobra.Command, flag string, words ...string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // a flag that c does not have
	}
}

// valid tells what is wrong with the flags, before anything is asked for.
func (l *listing[T]) valid() error {
	if printers[l.format] == nil {
		return errors.New("--format: must be one of " + strings.Join(formats, ", "))
	}
	for flag, names := range map[string][]string{"column": l.chosen, "sort-column": l.sort} {
		for _, name := range names {
			if !slices.Contains(members[T](), name) {
				return fmt.Errorf("--%s: must be one of %s", flag, strings.Join(members[T](), ", "))
			}
		}
	}
	return nil
}

// print prints the chosen columns. JSON and YAML have all of them if none is chosen.
func (l *listing[T]) print(w io.Writer, items []T) error {
	if err := l.valid(); err != nil {
		return err
	}
	text, err := json.Marshal(items)
	if err != nil {
		return err
	}
	rows := make([]row, 0, len(items))
	if err := decode(text, &rows); err != nil {
		return err
	}
	slices.SortStableFunc(rows, func(a, b row) int {
		for _, c := range l.sort {
			if order := strings.Compare(cell(a[c]), cell(b[c])); order != 0 {
				return order
			}
		}
		return 0
	})
	columns := l.chosen
	if len(columns) == 0 {
		columns = l.columns
		if l.format == "json" || l.format == "yaml" {
			columns = members[T]()
		}
	}
	return printers[l.format](w, columns, rows)
}

// members are the names of a struct's JSON members, sorted.
func members[T any]() []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func printTable(w io.Writer, columns []string, rows []row) error {
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(out, strings.ToUpper(strings.Join(columns, "\t"))) // Flush tells
	for _, r := range rows {
		_, _ = fmt.Fprintln(out, strings.Join(cells(columns, r), "\t"))
	}
	return out.Flush()
}

func printCSV(w io.Writer, columns []string, rows []row) error {
	out := csv.NewWriter(w)
	lines := [][]string{columns}
	for _, r := range rows {
		lines = append(lines, cells(columns, r))
	}
	return out.WriteAll(lines)
}

func printValues(w io.Writer, columns []string, rows []row) error {
	for _, r := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(cells(columns, r), " ")); err != nil {
			return err
		}
	}
	return nil
}

func printRows(w io.Writer, columns []string, rows []row) error {
	wanted := make([]row, len(rows))
	for i, r := range rows {
		wanted[i] = row{}
		for _, c := range columns {
			wanted[i][c] = r[c]
		}
	}
	return printJSON(w, wanted)
}

// printYAML writes values as JSON, which is YAML.
func printYAML(w io.Writer, columns []string, rows []row) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(w, "[]")
		return err
	}
	for _, r := range rows {
		lead := "- "
		for _, c := range columns {
			text, err := encode(r[c], "")
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%s%s: %s", lead, c, text); err != nil {
				return err
			}
			lead = "  "
		}
	}
	return nil
}

func cells(columns []string, r row) []string {
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = cell(r[c])
	}
	return line
}

// cell is a value on one line.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = cell(x)
		}
		return strings.Join(parts, ",")
	case map[string]any:
		if address, ok := v["address"].(string); ok { // of an e-mail
			return visible(address)
		}
		text, err := encode(v, "")
		if err != nil {
			return visible(err.Error())
		}
		return strings.TrimSuffix(text, "\n")
	default:
		return visible(fmt.Sprint(v))
	}
}

// visible escapes what would paint on a terminal, as in \u001b, so that nobody's name does.
func visible(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !unprintable(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			_, _ = fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			_, _ = fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// unprintable tells of control characters, marks of direction and the like.
func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// printJSON prints a thing indented, its keys sorted.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var sorted any
	if err := decode(text, &sorted); err != nil {
		return err
	}
	shown, err := encode(sorted, "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, shown)
	return err
}

// encode makes JSON whose texts are visible. The ends of its lines are the only control characters in it.
func encode(v any, indent string) (string, error) {
	var b strings.Builder
	out := json.NewEncoder(&b)
	out.SetIndent("", indent)
	out.SetEscapeHTML(false)
	if err := out.Encode(v); err != nil {
		return "", err
	}
	return visibleLines(b.String()), nil
}

// visibleLines is visible for a text of several lines.
func visibleLines(text string) string {
	all := strings.Split(text, "\n")
	for i, l := range all {
		all[i] = visible(l)
	}
	return strings.Join(all, "\n")
}

func decode(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}
