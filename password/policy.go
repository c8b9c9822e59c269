package password

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// mostRefused is the size of the longest file of refused passwords, in bytes.
const mostRefused = 32 << 20

// Policy is what a new password has to be beyond being there, for installations that want it: length, and not one that
// guessers try first (NIST SP 800-63B section 5.1.1.2). There are no rules of composition. The zero value lets all pass.
type Policy struct {
	least   int
	refused map[string]struct{}
}

// LoadPolicy makes a policy of a least length in characters and a file with a refused password a line, compared without
// regard to case; an empty name is none. The file may have 32 MiB.
func LoadPolicy(least int, file string) (*Policy, error) {
	p := &Policy{least: least}
	if file == "" {
		return p, nil
	}
	f, err := os.Open(file) //nolint:gosec // named by the operator
	if err != nil {
		return nil, fmt.Errorf("read refused passwords: %w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	p.refused = map[string]struct{}{}
	limited := &io.LimitedReader{R: f, N: mostRefused + 1}
	lines := bufio.NewScanner(limited)
	for lines.Scan() {
		if line := strings.TrimSuffix(lines.Text(), "\r"); line != "" {
			p.refused[strings.ToLower(line)] = struct{}{}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read refused passwords: %w", err)
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("read refused passwords: the file has more than %d bytes", mostRefused)
	}
	return p, nil
}

// Refuses tells why a new password is refused: it has fewer than least characters (0: it has enough), or it is known.
func (p *Policy) Refuses(password string) (least int, known bool) {
	if utf8.RuneCountInString(password) < p.least {
		return p.least, false
	}
	_, known = p.refused[strings.ToLower(password)]
	return 0, known
}
