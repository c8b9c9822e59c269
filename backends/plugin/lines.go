package plugin

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Limits of what a plug-in may write into our log.
const (
	maxLine           = 1024 // bytes
	maxLinesPerSecond = 100
)

// lines turns what a plug-in writes to its standard output and error into lines of our log, as many as are bearable.
type lines struct {
	log *slog.Logger

	mu      sync.Mutex
	buf     []byte
	cut     bool // the rest of this line is not kept
	second  int64
	n       int
	dropped int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		part := p
		if i >= 0 {
			part = p[:i]
		}
		if room := maxLine - len(l.buf); len(part) > room {
			part, l.cut = part[:room], true
		}
		l.buf = append(l.buf, part...)
		if i < 0 {
			break
		}
		l.flush()
		p = p[i+1:]
	}
	return n, nil
}

func (l *lines) flush() {
	text, cut := strings.TrimSpace(string(l.buf)), l.cut
	l.buf, l.cut = l.buf[:0], false
	if text == "" {
		return
	}
	if now := time.Now().Unix(); now != l.second {
		if l.dropped > 0 {
			l.log.Warn("a plug-in wrote too many lines; some are left out", "lines", l.dropped)
		}
		l.second, l.n, l.dropped = now, 0, 0
	}
	if l.n++; l.n > maxLinesPerSecond {
		l.dropped++
		return
	}
	if cut {
		text += "..."
	}
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "plug-in output", slog.String("line", printable(text)))
}

// printable is text from outside on one line, in UTF-8 and without control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// maxSaid bounds what of a plug-in's error text is repeated, in bytes.
const maxSaid = 300

// said is the error text of a plug-in, fit to be repeated: bounded, and without the secrets of the call.
func said(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	if len(text) > maxSaid {
		text = text[:maxSaid] + "..."
	}
	return strings.TrimSpace(printable(text))
}
