package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// standardText is the built-in value as the listing shows it, secrets masked.
func (s setting) standardText() string {
	if s.standard != "" {
		return s.standard
	}
	switch v := s.value.Interface().(type) {
	case time.Duration:
		return strconv.FormatFloat(v.Seconds(), 'f', -1, 64)
	case []string:
		return strings.Join(v, ",")
	case map[string]bool:
		return joinMap(v, strconv.FormatBool)
	case map[string][]string:
		return joinMap(v, func(list []string) string { return "[" + strings.Join(list, ",") + "]" })
	case map[string]IDPPlugin:
		return joinMap(v, func(p IDPPlugin) string {
			return fmt.Sprintf("{enabled: %t, priority: %d}", p.Enabled, p.Priority)
		})
	}
	if kind := s.value.Kind(); (kind == reflect.Map || kind == reflect.Slice) && s.value.Len() == 0 {
		return ""
	}
	return fmt.Sprint(s.value.Interface())
}

func joinMap[T any](m map[string]T, text func(T) string) string {
	parts := make([]string, 0, len(m))
	for name, value := range m {
		parts = append(parts, name+":"+text(value))
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// listing is what -help prints.
func listing(program string, list []setting) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s [-help] [-config-file FILE]\n\n", program)
	b.WriteString("The environment wins over the files, the files over the defaults. Key, variable, default:\n")
	for _, s := range list {
		variable := s.variable
		if variable == "" {
			variable = "(files only)"
		}
		fmt.Fprintf(&b, "\n%s\n    %s", s.key, variable)
		if standard := s.standardText(); standard != "" {
			fmt.Fprintf(&b, "  default: %s", standard)
		}
		if bounds := s.bounds(); bounds != "" {
			fmt.Fprintf(&b, "  (%s)", bounds)
		}
		fmt.Fprintf(&b, "\n    %s\n", s.doc)
	}
	return b.String()
}
