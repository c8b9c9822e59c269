package e2e

import (
	"fmt"
	"testing"
)

func TestZZProbe(t *testing.T) {
	s := newStack(t, options{})
	p := s.plugged(t, fmt.Sprintf(unrulyConfig, false))
	for _, l := range []string{"fail", "panic", "refuse", "api_error", "many", "huge", "default", "die"} {
		s.ask(t, p, unrulyLogin(l))
	}
}
