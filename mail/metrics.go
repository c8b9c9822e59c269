package mail

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts mails.
type Metrics struct {
	// Mails: do users get their mails? By kind (confirmation, reset) and outcome: sent, failed, limited.
	Mails *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{Mails: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xivo_auth_mails_total",
		Help: "Mails by kind and outcome; limited ones were not sent."}, []string{"kind", "outcome"})}
	reg.MustRegister(m.Mails)
	return m
}

// Count counts a mail.
func (m *Metrics) Count(kind, outcome string) { m.Mails.WithLabelValues(kind, outcome).Inc() }
