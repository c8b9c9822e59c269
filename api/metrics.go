package api

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/fault"
	"github.com/xivo-auth/xivo-auth/token"
)

// Metrics of the REST interface.
type Metrics struct {
	// Checks: how are tokens judged? By outcome: valid, unknown, forbidden, unavailable, error.
	Checks *prometheus.CounterVec
	// Logins: who gets in, through which backend field (those that are enabled, else "other"), and who does not?
	Logins *prometheus.CounterVec

	valid, unknown, forbidden, unavailable, failed prometheus.Counter
	backends                                       []string
}

// NewMetrics registers the metrics. backends are the values of the label of that name; any other is "other".
func NewMetrics(reg prometheus.Registerer, backends []string) *Metrics {
	m := &Metrics{
		Checks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xivo_auth_checks_total", Help: "Token checks by outcome."}, []string{"outcome"}),
		Logins: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "xivo_auth_logins_total",
			Help: "Requests for tokens by backend and outcome."}, []string{"backend", "outcome"}),
		backends: backends,
	}
	reg.MustRegister(m.Checks, m.Logins)
	m.valid, m.unknown, m.forbidden = m.Checks.WithLabelValues("valid"), m.Checks.WithLabelValues("unknown"), m.Checks.WithLabelValues("forbidden")
	m.unavailable, m.failed = m.Checks.WithLabelValues("unavailable"), m.Checks.WithLabelValues("error")
	return m
}

func (m *Metrics) check(err error) {
	if err == nil {
		m.valid.Inc()
		return
	}
	f, _ := fault.As(err)
	switch kindOf(f) {
	case fault.NotFound:
		m.unknown.Inc()
	case fault.Forbidden:
		m.forbidden.Inc()
	case fault.Unavailable:
		m.unavailable.Inc()
	default:
		m.failed.Inc()
	}
}

func (m *Metrics) login(r *token.Request, err error) {
	backend, outcome := "other", "ok"
	switch {
	case r.RefreshToken != nil:
		backend = "refresh_token"
	case slices.Contains(m.backends, r.Backend):
		backend = r.Backend
	}
	if err != nil {
		f, _ := fault.As(err)
		if outcome = string(kindOf(f)); outcome == "" {
			outcome = "error"
		}
	}
	m.Logins.WithLabelValues(backend, outcome).Inc()
}
