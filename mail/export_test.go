package mail

import "time"

// Compose is compose at a fixed time.
func Compose(m *Message) (string, error) { return m.compose("id@ex.com", time.Unix(0, 0).UTC()) }

// Hasty is NewSMTP with other times for a delivery and for each of its steps.
func Hasty(host string, port int, whole, step time.Duration) *SMTP {
	s := NewSMTP(host, port)
	s.whole, s.step = whole, step
	return s
}
