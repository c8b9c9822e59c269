package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// facts is what scripts may want to know of a running stack; it goes to .run/env.
type facts struct {
	URLs, InternalURLs []string
	Username, Password string
	TemporalAddress    string
	TemporalUIURL      string
	DatabaseURL        string // with the password
	DatabaseAddress    string // without
	AMQPURI            string // empty without EVENTS=1
}

func (f facts) String() string {
	var b strings.Builder
	for _, line := range [][2]string{
		{"XIVO_AUTH_URL", f.URLs[0]}, {"XIVO_AUTH_USERNAME", f.Username}, {"XIVO_AUTH_PASSWORD", f.Password},
		{"TEMPORAL_ADDRESS", f.TemporalAddress}, {"TEMPORAL_NAMESPACE", namespace}, {"TEMPORAL_UI_URL", f.TemporalUIURL},
		{"DATABASE_URL", f.DatabaseURL}, {"AMQP_URI", f.AMQPURI},
		{"XIVO_AUTH_URLS", strings.Join(f.URLs, ",")}, {"XIVO_AUTH_INTERNAL_URLS", strings.Join(f.InternalURLs, ",")},
	} {
		fmt.Fprintf(&b, "%s=%s\n", line[0], line[1])
	}
	return b.String()
}

// readFacts reads what a running stack wrote.
func readFacts(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			known[key] = value
		}
	}
	return known, nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
