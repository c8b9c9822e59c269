package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

var formats = []string{"table", "json", "csv", "value"}

// listFlags declares how a list is printed.
func listFlags(c *cobra.Command, format *string, columns *[]string) {
	c.Flags().StringVarP(format, "format", "f", "table", "how the list is printed: "+strings.Join(formats, ", "))
	c.Flags().StringSliceVarP(columns, "column", "c", nil, "print this column only; may be repeated")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// printList prints things in a format. Columns are names of their JSON members; chosen, if not empty, are those that
// somebody wants. JSON shows the things whole unless columns are chosen.
func printList[T any](w io.Writer, format string, items []T, columns, chosen []string) error {
	if !slices.Contains(formats, format) {
		return errors.New("--format: must be one of " + strings.Join(formats, ", "))
	}
	rows, err := members(items)
	if err != nil {
		return err
	}
	if len(chosen) > 0 {
		columns = chosen
	}
	if format == "json" {
		if len(chosen) > 0 {
			for i, r := range rows {
				rows[i] = map[string]any{}
				for _, c := range chosen {
					rows[i][c] = r[c]
				}
			}
		}
		return printJSON(w, rows)
	}
	lines := make([][]string, 0, len(rows)+1)
	if format != "value" {
		lines = append(lines, columns)
	}
	for _, r := range rows {
		line := make([]string, len(columns))
		for i, c := range columns {
			line[i] = cell(r[c])
		}
		lines = append(lines, line)
	}
	switch format {
	case "csv":
		out := csv.NewWriter(w)
		return errors.Join(out.WriteAll(lines), out.Error())
	case "value":
		for _, l := range lines {
			if _, err := fmt.Fprintln(w, strings.Join(l, " ")); err != nil {
				return err
			}
		}
		return nil
	}
	out := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i, l := range lines {
		text := strings.Join(l, "\t")
		if i == 0 {
			text = strings.ToUpper(text)
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	return out.Flush()
}

// members are things as maps of their JSON members.
func members[T any](items []T) ([]map[string]any, error) {
	text, err := json.Marshal(items)
	if err != nil {
		return nil, err
	}
	rows := make([]map[string]any, 0, len(items))
	err = json.Unmarshal(text, &rows)
	return rows, err
}

// cell is a value on one line: control characters would let a name paint on the terminal.
func cell(v any) string {
	text := ""
	switch v := v.(type) {
	case nil:
	case string:
		text = v
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = cell(x)
		}
		text = strings.Join(parts, ",")
	case map[string]any:
		if address, ok := v["address"].(string); ok { // of an e-mail
			text = address
		} else if all, err := json.Marshal(v); err == nil {
			text = string(all)
		}
	default:
		text = fmt.Sprint(v)
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

// printJSON prints a thing indented, its keys sorted.
func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var sorted any
	if err := json.Unmarshal(text, &sorted); err != nil {
		return err
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(sorted)
}
