package identity

import (
	"crypto/rand"
	"iter"
	"strings"
)

const (
	slugAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	// Clients know drawn slugs of three characters; longer ones are for a tenant that has most of those already.
	drawnSlug        = 3
	drawnSlugTries   = 20
	longestDrawnSlug = 10
	longerSlugTries  = 3
)

// slugCandidates gives the slugs to try for something without one: what a name has of the allowed characters, at most so
// many of them, unless nothing is left; then drawn ones. Whoever runs out of candidates has a conflict.
func slugCandidates(name string, allowed func(rune) bool, most int) iter.Seq[string] {
	return func(yield func(string) bool) {
		if s := cleanedSlug(name, allowed, most); s != "" && !yield(s) {
			return
		}
		for length := drawnSlug; length <= min(longestDrawnSlug, most); length++ {
			tries := longerSlugTries
			if length == drawnSlug {
				tries = drawnSlugTries
			}
			for range tries {
				if !yield(drawSlug(length)) {
					return
				}
			}
		}
	}
}

func cleanedSlug(name string, allowed func(rune) bool, most int) string {
	var b strings.Builder
	kept := 0
	for _, r := range name {
		if kept == most {
			break
		}
		if allowed(r) {
			b.WriteRune(r)
			kept++
		}
	}
	return b.String()
}

// drawSlug is a random text. That some characters are a little likelier than others does no harm: it is no secret.
func drawSlug(length int) string {
	b := make([]byte, length)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = slugAlphabet[int(b[i])%len(slugAlphabet)]
	}
	return string(b)
}

// tenantSlugRune tells what the slug of a tenant may hold.
func tenantSlugRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

// slugRune tells what the slugs of groups and policies may hold.
func slugRune(r rune) bool { return tenantSlugRune(r) || r == '-' }
